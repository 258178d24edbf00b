/**
 * The mount options: ONE table, from which come the parser, `layoutfs mount --help`, docs/mount-options.md and its test.
 *
 * Times are seconds with a fraction allowed; `inf` where the table says so. What fstab(5) and mount(8) add for their own
 * use (`noauto`, `_netdev`, `user`, `x-*`, `defaults` …), or names what is always on (`acl`, `user_xattr`), is accepted and ignored, because mount(8) passes it on.
 */
import { FORMATS, LEVELS, type Level, type LogFormat } from '../system/log.ts';

export type OptionType = 'flag' | 'seconds' | 'count' | 'word' | 'text';

export interface MountOptions {
  readOnly: boolean;
  /** With readOnly: a volume that was not unmounted cleanly is not recovered, but read as of its last commit. */
  noRecovery: boolean;
  allowOther: boolean;
  defaultPermissions: boolean;
  nosuid: boolean;
  nodev: boolean;
  noexec: boolean;
  sync: boolean;
  dirsync: boolean;
  atime: 'relatime' | 'noatime' | 'strictatime';
  /** Name of the control directory in the root; undefined with `ctl=none`. */
  ctl: string | undefined;
  /** Seconds between group commits at most. */
  commit: number;
  errors: 'remount-ro' | 'exit' | 'continue';
  /** Inodes that may exist at most; 0 = no limit but space. */
  maxInodes: number;
  entryTimeout: number;
  attrTimeout: number;
  negativeTimeout: number;
  /** Lease timers, seconds (leases.md section 8). */
  breakTime: number;
  breakMax: number;
  patience: number;
  grace: number;
  odpAck: number;
  namedPeriod: number;
  fenceRetry: number;
  fenceRetryMax: number;
  tombstone: number;
  policy: 'strict' | 'map-direct-v7' | 'chinner-2019';
  expired: 'quarantine' | 'hold';
  onExpire: 'relocate' | 'kill' | 'none';
  fenceCommand: string | undefined;
  /** The verb `inject` works: for tests. */
  inject: boolean;
  /** A supervisor keeps the mount alive when the daemon dies. */
  supervise: boolean;
  /** Mappings may dirty as much memory as those of other filesystems (bdi.ts). */
  trustWriteback: boolean;
  /** KiB that the kernel reads ahead; 0 = its default. */
  readAhead: number;
  /** By which way requests come: /dev/fuse, or the npm package fuse-native. */
  transport: 'kernel' | 'fuse-native';
  /** File that takes the daemon's messages when it runs in the background; undefined: IMAGE.log. */
  log: string | undefined;
  /** The least serious messages that are written. */
  logLevel: Level;
  logFormat: LogFormat;
  /** File that takes every request and reply; undefined: none. */
  record: string | undefined;
  /** mount(8) asked for a change of a live mount. */
  remount: boolean;
}

export interface OptionRow {
  /** As written after -o, without the `=`. */
  name: string;
  type: OptionType;
  /** Field of MountOptions it sets. */
  field: keyof MountOptions;
  /** Of a flag: what it sets (default true). */
  sets?: MountOptions[keyof MountOptions];
  /** Of a word: the words allowed. */
  words?: readonly string[];
  min?: number;
  max?: number;
  /** `inf` is allowed. */
  infinite?: boolean;
  /** The word `none` gives undefined. */
  none?: boolean;
  help: string;
}

export function defaultMountOptions(root = process.getuid?.() === 0): MountOptions {
  return {
    readOnly: false,
    noRecovery: false,
    allowOther: root,
    defaultPermissions: true,
    nosuid: !root,
    nodev: !root,
    noexec: false,
    sync: false,
    dirsync: false,
    atime: 'relatime',
    ctl: '.layout',
    commit: 1,
    errors: 'remount-ro',
    maxInodes: 0,
    entryTimeout: 86_400,
    attrTimeout: 86_400,
    negativeTimeout: 86_400,
    breakTime: 45,
    breakMax: 300,
    patience: 60,
    grace: 90,
    odpAck: 2,
    namedPeriod: 30,
    fenceRetry: 1,
    fenceRetryMax: 180,
    tombstone: 600,
    policy: 'strict',
    expired: 'quarantine',
    onExpire: 'relocate',
    fenceCommand: undefined,
    inject: false,
    supervise: true,
    trustWriteback: root,
    readAhead: 0,
    transport: 'kernel',
    log: undefined,
    logLevel: 'info',
    logFormat: 'text',
    record: undefined,
    remount: false,
  };
}

const DAY = 86_400;

export const OPTIONS: readonly OptionRow[] = [
  { name: 'ro', type: 'flag', field: 'readOnly', help: 'mount read-only' },
  { name: 'rw', type: 'flag', field: 'readOnly', sets: false, help: 'mount read-write' },
  {
    name: 'norecovery',
    type: 'flag',
    field: 'noRecovery',
    help: 'with ro: write nothing to a volume that was not unmounted cleanly; it is read as of its last commit',
  },
  { name: 'allow_other', type: 'flag', field: 'allowOther', help: 'let other users in (on when root mounts)' },
  { name: 'noallow_other', type: 'flag', field: 'allowOther', sets: false, help: 'only the mounting user gets in' },
  { name: 'default_permissions', type: 'flag', field: 'defaultPermissions', help: 'the kernel checks permissions' },
  { name: 'nosuid', type: 'flag', field: 'nosuid', help: 'ignore set-user-id bits' },
  { name: 'suid', type: 'flag', field: 'nosuid', sets: false, help: 'honour set-user-id bits' },
  { name: 'nodev', type: 'flag', field: 'nodev', help: 'ignore device nodes' },
  { name: 'dev', type: 'flag', field: 'nodev', sets: false, help: 'honour device nodes' },
  { name: 'noexec', type: 'flag', field: 'noexec', help: 'nothing may be executed' },
  { name: 'exec', type: 'flag', field: 'noexec', sets: false, help: 'files may be executed' },
  { name: 'sync', type: 'flag', field: 'sync', help: 'every write is durable before it returns' },
  {
    name: 'async',
    type: 'flag',
    field: 'sync',
    sets: false,
    help: 'writes become durable at fsync or the group commit',
  },
  { name: 'dirsync', type: 'flag', field: 'dirsync', help: 'every change of a directory is durable before it returns' },
  { name: 'relatime', type: 'flag', field: 'atime', sets: 'relatime', help: 'access times as relatime' },
  { name: 'noatime', type: 'flag', field: 'atime', sets: 'noatime', help: 'access times are never updated' },
  { name: 'strictatime', type: 'flag', field: 'atime', sets: 'strictatime', help: 'access times are always updated' },
  { name: 'ctl', type: 'text', field: 'ctl', none: true, help: 'name of the control directory; none: there is none' },
  { name: 'commit', type: 'seconds', field: 'commit', min: 0.01, max: 300, help: 'group commit at most so much later' },
  {
    name: 'errors',
    type: 'word',
    field: 'errors',
    words: ['remount-ro', 'exit', 'continue'],
    help: 'when the metadata can not be written: only read, or end the daemon; continue: only read then, but do not mind lost data',
  },
  { name: 'max_inodes', type: 'count', field: 'maxInodes', min: 0, help: 'inodes at most; 0: as many as fit' },
  {
    name: 'entry_timeout',
    type: 'seconds',
    field: 'entryTimeout',
    min: 0,
    max: DAY,
    help: 'kernel keeps names so long',
  },
  {
    name: 'attr_timeout',
    type: 'seconds',
    field: 'attrTimeout',
    min: 0,
    max: DAY,
    help: 'kernel keeps attributes so long',
  },
  {
    name: 'negative_timeout',
    type: 'seconds',
    field: 'negativeTimeout',
    min: 0,
    max: DAY,
    help: 'kernel remembers so long that a name is not there',
  },
  {
    name: 'break',
    type: 'seconds',
    field: 'breakTime',
    min: 0,
    max: 3600,
    help: 'time a recalled holder has to answer',
  },
  {
    name: 'break_max',
    type: 'seconds',
    field: 'breakMax',
    min: 0,
    max: DAY,
    help: 'longest time a holder may choose for itself',
  },
  {
    name: 'patience',
    type: 'seconds',
    field: 'patience',
    min: 0,
    infinite: true,
    help: 'a conflicting operation waits so long, then ETIMEDOUT',
  },
  {
    name: 'grace',
    type: 'seconds',
    field: 'grace',
    min: 0,
    max: DAY,
    help: 'named leases may be reclaimed so long after a mount',
  },
  { name: 'odp_ack', type: 'seconds', field: 'odpAck', min: 0, max: 3600, help: 'time for the ack of an invalidation' },
  {
    name: 'named_period',
    type: 'seconds',
    field: 'namedPeriod',
    min: 0.1,
    max: DAY,
    help: 'a named lease is renewed within',
  },
  {
    name: 'fence_retry',
    type: 'seconds',
    field: 'fenceRetry',
    min: 0.01,
    max: 3600,
    help: 'first retry of a failed fence',
  },
  {
    name: 'fence_retry_max',
    type: 'seconds',
    field: 'fenceRetryMax',
    min: 0.01,
    max: DAY,
    help: 'longest time between retries',
  },
  {
    name: 'tombstone',
    type: 'seconds',
    field: 'tombstone',
    min: 0,
    max: DAY,
    help: 'a revoked lease is remembered so long',
  },
  {
    name: 'policy',
    type: 'word',
    field: 'policy',
    words: ['strict', 'map-direct-v7', 'chinner-2019'],
    help: 'which matrix of operations and leases rules',
  },
  {
    name: 'expired',
    type: 'word',
    field: 'expired',
    words: ['quarantine', 'hold'],
    help: 'after the break time: go on and quarantine, or wait for proof',
  },
  {
    name: 'on_expire',
    type: 'word',
    field: 'onExpire',
    words: ['relocate', 'kill', 'none'],
    help: 'how a holder of raw access that does not answer is fenced',
  },
  { name: 'fence_cmd', type: 'text', field: 'fenceCommand', help: 'command that fences a holder on shared storage' },
  { name: 'inject', type: 'flag', field: 'inject', help: 'the verb inject works (tests only)' },
  {
    name: 'supervise',
    type: 'flag',
    field: 'supervise',
    help: 'a second process keeps the mount alive when the daemon dies (default)',
  },
  {
    name: 'nosupervise',
    type: 'flag',
    field: 'supervise',
    sets: false,
    help: 'the mount dies with its daemon',
  },
  {
    name: 'trust_writeback',
    type: 'flag',
    field: 'trustWriteback',
    help: 'mappings may dirty as much memory as on other filesystems (on when root mounts)',
  },
  {
    name: 'notrust_writeback',
    type: 'flag',
    field: 'trustWriteback',
    sets: false,
    help: "keep the kernel's limit of 1 % of the dirty memory for this mount",
  },
  {
    name: 'read_ahead_kb',
    type: 'count',
    field: 'readAhead',
    min: 0,
    max: 16_384,
    help: "KiB that are read ahead of a sequential reader, and around a fault of a mapping; 0: the kernel's default (root only)",
  },
  {
    name: 'transport',
    type: 'word',
    field: 'transport',
    words: ['kernel', 'fuse-native'],
    help: 'how requests come: by /dev/fuse, or by the npm package fuse-native (docs/fuse-native.md)',
  },
  {
    name: 'trace',
    type: 'flag',
    field: 'logLevel',
    sets: 'trace',
    help: 'the same as log_level=trace: every request and reply, as a line to read',
  },
  { name: 'debug', type: 'flag', field: 'logLevel', sets: 'debug', help: 'the same as log_level=debug' },
  {
    name: 'log',
    type: 'text',
    field: 'log',
    help: 'file for the messages of a background daemon (default: IMAGE.log)',
  },
  {
    name: 'log_level',
    type: 'word',
    field: 'logLevel',
    words: LEVELS,
    help: 'the least serious messages that are written',
  },
  {
    name: 'log_format',
    type: 'word',
    field: 'logFormat',
    words: FORMATS,
    help: 'a message is a line of key=value pairs, or a JSON object',
  },
  {
    name: 'record',
    type: 'text',
    field: 'record',
    help: 'file (absolute path) that takes every request, with its data, and reply: for layoutfs replay',
  },
  { name: 'remount', type: 'flag', field: 'remount', help: 'change the options of a live mount (mount(8))' },
];

/** How one option is written, with its bounds: for messages, help and docs. */
export function usageOf(row: OptionRow): string {
  switch (row.type) {
    case 'flag':
      return row.name;
    case 'word':
      return `${row.name}=${row.words!.join('|')}`;
    case 'text':
      return `${row.name}=TEXT${row.none ? '|none' : ''}`;
    default: {
      const unit = row.type === 'seconds' ? 'SECONDS' : 'N';
      const bounds = row.max === undefined ? ` (from ${row.min ?? 0})` : ` (${row.min ?? 0} to ${row.max})`;
      return `${row.name}=${unit}${row.infinite ? '|inf' : ''}${bounds}`;
    }
  }
}
