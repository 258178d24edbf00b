import { statSync } from 'node:fs';
import type { Session } from '../fuse/session.ts';
import type { Filesystem } from '../operations/filesystem.ts';
import { metadataPath } from '../volume/lock.ts';
import type { RequestStatistics } from './statistics.ts';

type Sample = readonly [labels: string, value: number];

interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  samples(): readonly Sample[];
}

/** What `.layout/stats` tells of the layers below the leases, in Prometheus text format. */
export class Metrics {
  private readonly requests: RequestStatistics;
  private readonly metrics: readonly Metric[];

  constructor(fs: Filesystem, requests: RequestStatistics, session: () => Session | undefined) {
    this.requests = requests;
    const { volume, space, inodes, leases, blockmap } = fs;
    const { commits, blockSize } = volume;
    const one = (value: () => number) => (): readonly Sample[] => [['', value()]];
    const blocks = (): readonly Sample[] => {
      const quarantined = leases.stats().quarantinedBlocks;
      const used = space.total - space.free - quarantined;
      return [
        ['state="free"', space.free],
        ['state="used"', used],
        ['state="quarantined"', quarantined],
      ];
    };
    this.metrics = [
      {
        name: 'layoutfs_info',
        type: 'gauge',
        help: 'The volume.',
        samples: () => [[`uuid="${volume.uuid}",epoch="${volume.epoch}"`, 1]],
      },
      {
        name: 'layoutfs_requests_parked',
        type: 'gauge',
        help: 'Requests that wait for a lease or a sync.',
        samples: one(() => requests.parked),
      },
      {
        name: 'layoutfs_notifications_pending',
        type: 'gauge',
        help: 'Invalidations that the kernel has not finished.',
        samples: one(() => session()?.notifier.pending ?? 0),
      },
      { name: 'layoutfs_block_bytes', type: 'gauge', help: 'Size of a block.', samples: one(() => blockSize) },
      { name: 'layoutfs_blocks', type: 'gauge', help: 'Blocks of the device by state.', samples: blocks },
      {
        name: 'layoutfs_blocks_freed',
        type: 'gauge',
        help: 'Free blocks that can be used only after the next commit.',
        samples: one(() => space.awaiting),
      },
      {
        name: 'layoutfs_moved_blocks_total',
        type: 'counter',
        help: 'Blocks that relocate and drain have moved.',
        samples: one(() => blockmap.moved),
      },
      {
        name: 'layoutfs_drain_pending_blocks',
        type: 'gauge',
        help: 'Blocks that a drain under way has still to come to.',
        samples: one(() => blockmap.toMove),
      },
      {
        name: 'layoutfs_commits_total',
        type: 'counter',
        help: 'Transactions committed.',
        samples: one(() => commits.counts.commits),
      },
      {
        name: 'layoutfs_syncs_total',
        type: 'counter',
        help: 'Syncs of the device (data) and of the write-ahead log (wal).',
        samples: () => [
          ['what="data"', commits.counts.dataSyncs],
          ['what="wal"', commits.counts.walSyncs],
        ],
      },
      {
        name: 'layoutfs_metadata_failed',
        type: 'gauge',
        help: 'Errno of the failure that made the mount read-only, 0 while all is well.',
        samples: one(() => commits.failed),
      },
      {
        name: 'layoutfs_wal_bytes',
        type: 'gauge',
        help: 'Size of the write-ahead log of the metadata.',
        samples: one(() => sizeOf(`${metadataPath(volume.path)}-wal`)),
      },
      {
        name: 'layoutfs_inode_cache_lookups_total',
        type: 'counter',
        help: 'Inodes asked for: in memory (hit), or read from the database (miss).',
        samples: () => [
          ['result="hit"', inodes.counts.asked - inodes.counts.read],
          ['result="miss"', inodes.counts.read],
        ],
      },
      {
        name: 'layoutfs_inodes_cached',
        type: 'gauge',
        help: 'Inodes in memory.',
        samples: one(() => inodes.cached),
      },
    ];
  }

  text(): string {
    const parts = this.metrics.map(({ name, type, help, samples }) => {
      const lines = samples().map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`);
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
    });
    return parts.join('') + this.requests.text();
  }
}

/** Bytes; 0 where there is no such file. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
