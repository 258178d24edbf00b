/**
 * The wire structs of <linux/fuse.h> as data: name, size, and per field its offset and type. The trace prints from
 * these tables, the session checks sizes by them, the tests compare them with what a C compiler says and with the
 * bytes that the hand-written readers and writers of the hot path produce. All integers are little-endian here: the
 * protocol uses the byte order of the host, and the machines Node 20 runs on are little-endian.
 */

export type FieldType = 'u16' | 'u32' | 'i32' | 'u64' | 'i64';

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  /** Bytes from the start of the struct. */
  readonly offset: number;
}

export interface Struct {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly fields: readonly Field[];
}

const WIDTH: Readonly<Record<FieldType, number>> = { u16: 2, u32: 4, i32: 4, u64: 8, i64: 8 };

/**
 * Fields as "name:type", in order; `_N` is N bytes that nobody reads; `name:struct` embeds another struct. Each in one piece,
 * because the types of `decode` are read off these texts.
 */
const LAYOUTS = {
  attr: 'ino:u64 size:u64 blocks:u64 atime:i64 mtime:i64 ctime:i64 atimensec:u32 mtimensec:u32 ctimensec:u32 mode:u32 nlink:u32 uid:u32 gid:u32 rdev:u32 blksize:u32 flags:u32',
  kstatfs: 'blocks:u64 bfree:u64 bavail:u64 files:u64 ffree:u64 bsize:u32 namelen:u32 frsize:u32 _28',
  file_lock: 'start:u64 end:u64 type:u32 pid:u32',
  sx_time: 'tv_sec:i64 tv_nsec:u32 _4',
  statx:
    'mask:u32 blksize:u32 attributes:u64 nlink:u32 uid:u32 gid:u32 mode:u16 _2 ino:u64 size:u64 blocks:u64 attributes_mask:u64 atime:sx_time btime:sx_time ctime:sx_time mtime:sx_time rdev_major:u32 rdev_minor:u32 dev_major:u32 dev_minor:u32 _112',
  in_header: 'len:u32 opcode:u32 unique:u64 nodeid:u64 uid:u32 gid:u32 pid:u32 total_extlen:u16 _2',
  out_header: 'len:u32 error:i32 unique:u64',
  ext_header: 'size:u32 type:u32',
  supp_groups: 'nr_groups:u32',
  entry_out:
    'nodeid:u64 generation:u64 entry_valid:u64 attr_valid:u64 entry_valid_nsec:u32 attr_valid_nsec:u32 attr:attr',
  forget_in: 'nlookup:u64',
  forget_one: 'nodeid:u64 nlookup:u64',
  batch_forget_in: 'count:u32 _4',
  getattr_in: 'getattr_flags:u32 _4 fh:u64',
  attr_out: 'attr_valid:u64 attr_valid_nsec:u32 _4 attr:attr',
  statx_in: 'getattr_flags:u32 _4 fh:u64 sx_flags:u32 sx_mask:u32',
  statx_out: 'attr_valid:u64 attr_valid_nsec:u32 flags:u32 _16 stat:statx',
  mknod_in: 'mode:u32 rdev:u32 umask:u32 _4',
  mkdir_in: 'mode:u32 umask:u32',
  rename_in: 'newdir:u64',
  rename2_in: 'newdir:u64 flags:u32 _4',
  link_in: 'oldnodeid:u64',
  setattr_in:
    'valid:u32 _4 fh:u64 size:u64 lock_owner:u64 atime:i64 mtime:i64 ctime:i64 atimensec:u32 mtimensec:u32 ctimensec:u32 mode:u32 _4 uid:u32 gid:u32 _4',
  open_in: 'flags:u32 open_flags:u32',
  create_in: 'flags:u32 mode:u32 umask:u32 open_flags:u32',
  open_out: 'fh:u64 open_flags:u32 backing_id:i32',
  release_in: 'fh:u64 flags:u32 release_flags:u32 lock_owner:u64',
  flush_in: 'fh:u64 _8 lock_owner:u64',
  read_in: 'fh:u64 offset:u64 size:u32 read_flags:u32 lock_owner:u64 flags:u32 _4',
  write_in: 'fh:u64 offset:u64 size:u32 write_flags:u32 lock_owner:u64 flags:u32 _4',
  write_out: 'size:u32 _4',
  statfs_out: 'st:kstatfs',
  fsync_in: 'fh:u64 fsync_flags:u32 _4',
  setxattr_in: 'size:u32 flags:u32 setxattr_flags:u32 _4',
  /** Without SETXATTR_EXT. */
  setxattr_in_compat: 'size:u32 flags:u32',
  getxattr_in: 'size:u32 _4',
  getxattr_out: 'size:u32 _4',
  lk_in: 'fh:u64 owner:u64 lk:file_lock lk_flags:u32 _4',
  lk_out: 'lk:file_lock',
  access_in: 'mask:u32 _4',
  init_in: 'major:u32 minor:u32 max_readahead:u32 flags:u32 flags2:u32 _44',
  /** As far as every kernel sends it; flags2 follows with INIT_EXT. */
  init_in_compat: 'major:u32 minor:u32 max_readahead:u32 flags:u32',
  init_out:
    'major:u32 minor:u32 max_readahead:u32 flags:u32 max_background:u16 congestion_threshold:u16 max_write:u32 time_gran:u32 max_pages:u16 map_alignment:u16 flags2:u32 max_stack_depth:u32 request_timeout:u16 _22',
  interrupt_in: 'unique:u64',
  bmap_in: 'block:u64 blocksize:u32 _4',
  bmap_out: 'block:u64',
  ioctl_in: 'fh:u64 flags:u32 cmd:u32 arg:u64 in_size:u32 out_size:u32',
  ioctl_out: 'result:i32 flags:u32 in_iovs:u32 out_iovs:u32',
  ioctl_iovec: 'base:u64 len:u64',
  poll_in: 'fh:u64 kh:u64 flags:u32 events:u32',
  poll_out: 'revents:u32 _4',
  fallocate_in: 'fh:u64 offset:u64 length:u64 mode:u32 _4',
  /** Followed by the name, padded to 8 bytes. */
  dirent: 'ino:u64 off:u64 namelen:u32 type:u32',
  lseek_in: 'fh:u64 offset:i64 whence:u32 _4',
  lseek_out: 'offset:u64',
  copy_file_range_in: 'fh_in:u64 off_in:u64 nodeid_out:u64 fh_out:u64 off_out:u64 len:u64 flags:u64',
  copy_file_range_out: 'bytes_copied:u64',
  setupmapping_in: 'fh:u64 foffset:u64 len:u64 flags:u64 moffset:u64',
  removemapping_in: 'count:u32',
  syncfs_in: '_8',
  notify_poll_wakeup_out: 'kh:u64',
  notify_inval_inode_out: 'ino:u64 off:i64 len:i64',
  notify_inval_entry_out: 'parent:u64 namelen:u32 flags:u32',
  notify_delete_out: 'parent:u64 child:u64 namelen:u32 _4',
  notify_store_out: 'nodeid:u64 offset:u64 size:u32 _4',
  notify_retrieve_out: 'notify_unique:u64 nodeid:u64 offset:u64 size:u32 _4',
  notify_retrieve_in: '_8 offset:u64 size:u32 _20',
  notify_prune_out: 'count:u32 _4 spare:u64',
  backing_map: 'fd:i32 flags:u32 padding:u64',
} as const;

export type StructName = keyof typeof LAYOUTS;

type Words<Text> = Text extends `${infer Word} ${infer Rest}` ? Word | Words<Rest> : Text;
type NameIn<Word> = Word extends `_${string}`
  ? never
  : Word extends `${infer Name}:${infer Type}`
    ? Type extends StructName
      ? `${Name}.${FieldName<Type>}`
      : Name
    : never;
/** Names of a struct's fields; those of an embedded struct as `outer.inner`. */
export type FieldName<Name extends StructName> = NameIn<Words<(typeof LAYOUTS)[Name]>>;
/** A struct as numbers by the names of its fields. */
export type Fields<Name extends StructName> = Record<FieldName<Name>, number>;

function build(name: StructName): Struct {
  const fields: Field[] = [];
  let offset = 0;
  for (const word of LAYOUTS[name].split(' ')) {
    if (word.startsWith('_')) {
      offset += Number(word.slice(1));
      continue;
    }
    const [field, type] = word.split(':') as [string, FieldType | StructName];
    if (type in WIDTH) {
      fields.push({ name: field, type: type as FieldType, offset });
      offset += WIDTH[type as FieldType];
    } else {
      const inner = build(type as StructName);
      for (const f of inner.fields)
        fields.push({ name: `${field}.${f.name}`, type: f.type, offset: offset + f.offset });
      offset += inner.size;
    }
  }
  return { name, size: offset, fields };
}

/** Every struct by its name in <linux/fuse.h> without the prefix fuse_. */
export const STRUCTS = Object.fromEntries(
  (Object.keys(LAYOUTS) as StructName[]).map((name) => [name, build(name)]),
) as Readonly<Record<StructName, Struct>>;

/** Size of a struct in bytes. */
export function sizeOf(name: StructName): number {
  return STRUCTS[name].size;
}

/** Values of a struct's fields, by name; embedded structs as `outer.inner`. 64-bit values above 2^53 lose low bits. */
export function decode<Name extends StructName>(name: Name, view: DataView, at: number): Fields<Name> {
  const values: Record<string, number> = {};
  for (const f of STRUCTS[name].fields) values[f.name] = readField(view, at + f.offset, f.type);
  return values as Fields<Name>;
}

/** Writes a struct; fields that are not given, and padding, become 0. */
export function encode(name: StructName, view: DataView, at: number, values: Record<string, number>): void {
  const { size, fields } = STRUCTS[name];
  for (let i = 0; i < size; i++) view.setUint8(at + i, 0);
  for (const f of fields) writeField(view, at + f.offset, f.type, values[f.name] ?? 0);
}

function readField(view: DataView, at: number, type: FieldType): number {
  switch (type) {
    case 'u16':
      return view.getUint16(at, true);
    case 'u32':
      return view.getUint32(at, true);
    case 'i32':
      return view.getInt32(at, true);
    case 'u64':
      return getU64(view, at);
    case 'i64':
      return getI64(view, at);
  }
}

function writeField(view: DataView, at: number, type: FieldType, value: number): void {
  if (type === 'u16') view.setUint16(at, value, true);
  else if (type === 'u32' || type === 'i32') view.setUint32(at, value, true);
  else put64(view, at, value);
}

/** An unsigned 64-bit integer as a number. */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}

/** A signed 64-bit integer as a number. */
export function getI64(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}

/** A whole number, negative or not, as 64 bits (two's complement). */
export function put64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true); // ToUint32 is modulo 2^32, also of numbers beyond it and of negative ones
  view.setUint32(at + 4, Math.floor(value / 4294967296) >>> 0, true);
}
