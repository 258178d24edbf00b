import type { Lazy } from './command.ts';

/** The commands of `layoutfs`, in the order of the help. */
export const COMMANDS: readonly Lazy[] = [
  {
    name: 'start',
    summary: 'make a volume if there is none and mount it here',
    load: async () => (await import('./start.ts')).start,
  },
  { name: 'mkfs', summary: 'make a volume', load: async () => (await import('./mkfs.ts')).mkfs },
  { name: 'mount', summary: 'mount a volume', load: async () => (await import('./mount.ts')).mount },
  {
    name: 'umount',
    summary: 'unmount, and wait until the volume is closed',
    load: async () => (await import('./umount.ts')).umount,
  },
  {
    name: 'upgrade',
    summary: 'have a new daemon serve a mount, without unmounting it',
    load: async () => (await import('./upgrade.ts')).upgrade,
  },
  { name: 'status', summary: 'what a mount is doing', load: async () => (await import('./status.ts')).status },
  { name: 'fsck', summary: 'check a volume, and mend it', load: async () => (await import('./fsck.ts')).fsck },
  {
    name: 'lease',
    summary: 'hold, take, map, list, break leases …',
    load: async () => (await import('./lease.ts')).lease,
  },
  ...verb('seal', 'make the block map of a file immutable'),
  ...verb('unseal', 'end a seal'),
  ...verb('prepare', 'make a file fit for a direct lease'),
  ...verb('why', 'what would happen to an operation on a file, and by whom'),
  ...verb('policy', 'print the matrix of operations and leases in force'),
  ...verb('quarantine', 'blocks that nobody may use yet'),
  ...verb('clone', 'share blocks between files (reflink)'),
  ...verb('collapse', 'take a range out of a file'),
  ...verb('insert', 'put a hole into a file'),
  {
    name: 'relocate',
    summary: "move a file's blocks",
    load: async () => (await import('./move.ts')).relocate,
  },
  {
    name: 'drain',
    summary: 'empty a range of the device',
    load: async () => (await import('./move.ts')).drain,
  },
  {
    name: 'defrag',
    summary: 'make files contiguous',
    load: async () => (await import('./defrag.ts')).defrag,
  },
  ...verb('freeze', 'keep the files still for a copy of the volume'),
  ...verb('thaw', 'end a freeze'),
  {
    name: 'resize',
    summary: 'make a volume longer or shorter',
    load: async () => (await import('./resize.ts')).resize,
  },
  { name: 'scrub', summary: 'check a volume that is in use', load: async () => (await import('./scrub.ts')).scrub },
  { name: 'backup', summary: 'copy the metadata', load: async () => (await import('./backup.ts')).backup },
  {
    name: 'restore',
    summary: 'put a copy of the metadata back',
    load: async () => (await import('./backup.ts')).restore,
  },
  { name: 'map', summary: 'draw the device of a volume', load: async () => (await import('./map.ts')).map },
  { name: 'top', summary: 'requests, leases and waiters, live', load: async () => (await import('./top.ts')).top },
  { name: 'events', summary: 'follow what happens to leases', load: async () => (await import('./events.ts')).events },
  {
    name: 'replay',
    summary: 'do again what a recording has',
    load: async () => (await import('./replay.ts')).replay,
  },
  {
    name: 'completion',
    summary: 'complete command lines in bash, zsh or fish',
    load: async () => (await import('./completion.ts')).completion,
  },
  { name: 'ctl', summary: 'send request lines as they are', load: async () => (await import('./ctl.ts')).ctl },
];

function verb(
  name:
    | 'seal'
    | 'unseal'
    | 'prepare'
    | 'why'
    | 'policy'
    | 'quarantine'
    | 'clone'
    | 'collapse'
    | 'insert'
    | 'freeze'
    | 'thaw',
  summary: string,
): Lazy[] {
  return [{ name, summary, load: async () => (await import('./verb.ts')).verbCommand(name) }];
}
