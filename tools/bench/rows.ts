/** The rows of the table: what is done, in which unit it is told, and whom it is compared with. */

export interface Bar {
  peer: string;
  ratio: number;
  /** Who is compared with the peer; default: the mount itself. */
  of?: string;
}

export interface Row {
  name: string;
  title: string;
  /** Mode of the load generator. */
  mode: string;
  /** `names`: works in the peer's directory. `data`: works on its file. `path`: by the name of its file. */
  on: 'names' | 'data' | 'path';
  unit: 'ops/s' | 'files/s' | 'MB/s' | 'ns/op' | 'ms';
  threads?: number;
  /** Runs `program`, a line of sh(1), in the peer's directory, each time after `before`. */
  program?: { before: string; program: string };
  /** Bars of performance.md: at least `ratio` times the peer. */
  bars?: Bar[];
  /** Microseconds of the daemon's CPU time for one operation, at most. */
  cpu?: number;
  /** Bar of performance.md, in the row's unit. */
  atMost?: number;
  /** Only these peers. */
  among?: string[];
  /** Times the duration of the others, and rounds at most: a row that needs long ones. */
  long?: { times: number; rounds: number };
  /** Peers that do not do this, or only pretend. */
  without?: string[];
  /** Left out of --quick. */
  slow?: boolean;
}

/** Units in which less is better. */
export function isTime(unit: Row['unit']): boolean {
  return unit === 'ns/op' || unit === 'ms';
}

/** ext4 and XFS are shown in all rows; these are the peers that the bars speak of. */
const USERSPACE = [
  { peer: 'fuse2fs', ratio: 2 },
  { peer: 'ntfs-3g', ratio: 2 },
];
const SEQUENTIAL = [
  { peer: 'fuse2fs', ratio: 1 },
  { peer: 'ntfs-3g', ratio: 1 },
  { peer: 'onefile', ratio: 0.9 },
];
const RANDOM = [
  { peer: 'onefile', ratio: 0.8 },
  { peer: 'fuse2fs', ratio: 1.5 },
];

/** A leased range must cost nothing: the device window against a mapping of the bare file. */
const DEVICE = { of: 'device window', peer: 'bare', ratio: 0.95 };
/** The guarded window, warm, against a mapping of the page cache of ext4. */
const GUARDED = { of: 'guarded window', peer: 'ext4', ratio: 0.95 };

export const ROWS: readonly Row[] = [
  { name: 'stat', title: 'stat', mode: 'stat', on: 'path', unit: 'ops/s', bars: USERSPACE },
  {
    name: 'getattr',
    title: 'statx, asking the server each time',
    mode: 'statx-sync',
    on: 'path',
    unit: 'ops/s',
    bars: USERSPACE,
    cpu: 6,
  },
  {
    name: 'lookup',
    title: 'lookup of a name never asked for before (not there)',
    mode: 'lookup',
    on: 'names',
    unit: 'ops/s',
    bars: USERSPACE,
    cpu: 6,
  },
  { name: 'open', title: 'open + close', mode: 'open-close', on: 'path', unit: 'ops/s', bars: USERSPACE },
  {
    name: 'create',
    title: 'create + close + unlink',
    mode: 'create-unlink',
    on: 'names',
    unit: 'ops/s',
    bars: USERSPACE,
    cpu: 30,
  },
  { name: 'mkdir', title: 'mkdir + rmdir', mode: 'mkdir-rmdir', on: 'names', unit: 'ops/s', bars: USERSPACE },
  { name: 'rename', title: 'rename', mode: 'rename', on: 'names', unit: 'ops/s', bars: USERSPACE },
  {
    name: 'tree',
    title: 'small files: mkdir, 20 files of 4 KiB written and removed',
    mode: 'tree',
    on: 'names',
    unit: 'ops/s',
    bars: USERSPACE,
    without: ['onefile', 'fuse-native'],
  },
  {
    name: 'readdir',
    title: 'readdir of 1,000 entries',
    mode: 'readdir',
    on: 'names',
    unit: 'ops/s',
    bars: USERSPACE,
    without: ['onefile', 'fuse-native'],
  },
  {
    name: 'walk-cold',
    title: 'readdir + stat of 1,000 files, nothing cached',
    mode: 'walk-cold',
    on: 'names',
    unit: 'ops/s',
    bars: USERSPACE,
    without: ['onefile', 'fuse-native'],
    slow: true,
  },
  {
    name: 'tar',
    title: 'tar x of a source tree',
    mode: 'program',
    on: 'names',
    unit: 'files/s',
    bars: USERSPACE,
    without: ['onefile', 'fuse-native'],
    program: { before: 'rm -rf untarred; mkdir untarred', program: 'tar -xf "$TREE.tar" -C untarred' },
  },
  {
    name: 'cp',
    title: 'cp -a of a source tree, from the host',
    mode: 'program',
    on: 'names',
    unit: 'files/s',
    bars: USERSPACE,
    without: ['onefile', 'fuse-native'],
    program: { before: 'rm -rf copied', program: 'cp -a "$TREE" copied' },
  },
  {
    name: 'git-status',
    title: 'git status in a source tree',
    mode: 'program',
    on: 'names',
    unit: 'files/s',
    bars: USERSPACE,
    without: ['onefile', 'fuse-native'],
    program: {
      before: 'test -d work || { cp -a "$TREE" work; cd work; git init -q; git add .; git status >/dev/null; }',
      program: 'cd work; git status --porcelain | wc -l >/dev/null',
    },
  },
  {
    name: 'read-4k',
    title: '4 KiB random read, O_DIRECT',
    mode: 'read-4k',
    on: 'data',
    unit: 'ops/s',
    bars: RANDOM,
    cpu: 6,
  },
  {
    name: 'write-4k',
    title: '4 KiB random overwrite, O_DIRECT',
    mode: 'write-4k',
    on: 'data',
    unit: 'ops/s',
    bars: RANDOM,
  },
  {
    name: 'read-1m',
    title: '1 MiB sequential read, O_DIRECT',
    mode: 'read-1m',
    on: 'data',
    unit: 'MB/s',
    bars: SEQUENTIAL,
  },
  {
    name: 'write-1m',
    title: '1 MiB sequential write, O_DIRECT',
    mode: 'write-1m',
    on: 'data',
    unit: 'MB/s',
    bars: SEQUENTIAL,
  },
  {
    name: 'read-cold',
    title: '1 MiB sequential read through the page cache, cold',
    mode: 'read-1m-cold',
    on: 'data',
    unit: 'MB/s',
    bars: SEQUENTIAL,
    slow: true,
  },
  {
    name: 'write-fsync',
    title: '1 MiB sequential overwrite, then fsync',
    mode: 'write-1m-fsync',
    on: 'data',
    unit: 'MB/s',
    bars: SEQUENTIAL,
    slow: true,
  },
  {
    name: 'append-fsync',
    title: 'append 4 KiB + fsync',
    mode: 'append-fsync',
    on: 'names',
    unit: 'ops/s',
    bars: [{ peer: 'ext4', ratio: 0.8 }],
    without: ['onefile', 'fuse-native'],
  },
  {
    name: 'mmap',
    title: 'mmap, random load, warm',
    mode: 'mmap-random',
    on: 'data',
    unit: 'ns/op',
    bars: [DEVICE, GUARDED],
    // Short, it is the writeback of what an earlier one stored that is measured.
    long: { times: 4, rounds: 5 },
  },
  {
    name: 'mmap-store',
    title: 'mmap, random store, warm',
    mode: 'mmap-store',
    on: 'data',
    unit: 'ns/op',
    bars: [DEVICE, GUARDED],
    // Short, it is the writeback of what an earlier one stored that is measured.
    long: { times: 4, rounds: 5 },
  },
  {
    name: 'mmap-seq',
    title: 'mmap, sequential, warm',
    mode: 'mmap-seq',
    on: 'data',
    unit: 'MB/s',
    bars: [DEVICE, GUARDED],
    long: { times: 4, rounds: 5 },
  },
  {
    name: 'mmap-cold',
    title: 'mmap, random pages, cold',
    mode: 'mmap-random-cold',
    on: 'data',
    unit: 'ns/op',
    bars: [DEVICE],
    slow: true,
  },
  {
    name: 'mmap-seq-cold',
    title: 'mmap, sequential, cold',
    mode: 'mmap-seq-cold',
    on: 'data',
    unit: 'MB/s',
    bars: [DEVICE],
    slow: true,
  },
  {
    name: 'create-tail',
    title: 'create by 4 threads, p99.9',
    mode: 'create-tail',
    on: 'names',
    unit: 'ms',
    threads: 4,
    atMost: 20,
    among: ['layoutfs', 'fuse2fs', 'ntfs-3g', 'ext4', 'xfs'],
    long: { times: 12, rounds: 3 },
  },
  {
    name: 'getattr-4',
    title: 'statx, asking the server, 4 threads',
    mode: 'statx-sync',
    on: 'path',
    unit: 'ops/s',
    threads: 4,
  },
  {
    name: 'create-4',
    title: 'create + close + unlink, 4 threads',
    mode: 'create-unlink',
    on: 'names',
    unit: 'ops/s',
    threads: 4,
  },
  {
    name: 'read-4k-4',
    title: '4 KiB random read, O_DIRECT, 4 threads',
    mode: 'read-4k',
    on: 'data',
    unit: 'ops/s',
    threads: 4,
  },
  {
    name: 'read-1m-4',
    title: '1 MiB sequential read, O_DIRECT, 4 threads',
    mode: 'read-1m',
    on: 'data',
    unit: 'MB/s',
    threads: 4,
    slow: true,
  },
];
