/**
 * The binary structs of ioctl(2), as data: tools/client-c/layoutfs.h is written from the same tables, and a test compares the
 * two with a C compiler. Every struct begins with its size and flags. A later version may add fields at the end: a
 * program that was compiled with fewer is served all the same, one with more must leave them zero (else E2BIG).
 */
export type IoctlFieldType = 'u32' | 'u64' | 's64' | 'char' | 'extent';

export interface IoctlField {
  readonly name: string;
  readonly type: IoctlFieldType;
  /** Bytes from the start of the struct. */
  readonly offset: number;
  readonly count: number;
}

export interface IoctlStruct {
  readonly name: string;
  readonly number: number;
  readonly size: number;
  readonly fields: readonly IoctlField[];
  /** Bits of `flags`, by name. */
  readonly flags: Readonly<Record<string, number>>;
}

/** Type byte of all request numbers. */
export const IOCTL_TYPE = 0xb7;
export const MAX_EXTENTS = 64;
const TOKEN_BYTES = 64;

const WIDTH: Record<IoctlFieldType, number> = { u32: 4, u64: 8, s64: 8, char: 1, extent: 32 };

function struct(number: number, name: string, layout: string, flags: Record<string, number> = {}): IoctlStruct {
  let offset = 0;
  const fields = `size:u32 flags:u32 ${layout}`.split(' ').map((word) => {
    const [field, type, count = '1'] = word.split(':') as [string, IoctlFieldType, string?];
    const at = offset;
    offset += WIDTH[type] * Number(count);
    return { name: field, type, offset: at, count: Number(count) };
  });
  return { name, number, size: offset, fields, flags };
}

export const IOCTLS = {
  GET: struct(
    1,
    'layout_get',
    'kind:u32 mode:u32 ino:u64 offset:u64 length:u64 align:u64 wait_ms:s64 timeout_ms:u64 ' +
      `id:u64 seq:u64 gen:u64 epoch:u64 state:u32 extents:u32 token:char:${TOKEN_BYTES}`,
    { UNWRITTEN_OK: 1, UNBREAKABLE: 2, COHERENT: 4, ODP: 8, ACCEPT_RO: 16, AFTER_RECALL: 32 },
  ),
  RETURN: struct(2, 'layout_return', 'id:u64 seq:u64 offset:u64 length:u64 state:u32 reserved:u32', { CASCADE: 1 }),
  MAP: struct(
    3,
    'layout_map',
    'id:u64 ino:u64 offset:u64 length:u64 next:u64 gen:u64 file_size:u64 block_size:u32 count:u32 ' +
      `extent:extent:${MAX_EXTENTS}`,
    { OBSERVATION: 1, MORE: 2 },
  ),
  COMMIT: struct(4, 'layout_commit', 'id:u64 seq:u64 offset:u64 length:u64 file_size:u64 gen:u64'),
  STATUS: struct(
    5,
    'layout_status',
    'id:u64 handle:u64 seq:u64 gen:u64 file_size:u64 offset:u64 length:u64 deadline_ms:s64 kind:u32 mode:u32 ' +
      'state:u32 sealed:u32 leases:u32 reserved:u32',
    { UNBREAKABLE: 2 },
  ),
  SEAL: struct(6, 'layout_seal', 'ino:u64 gen:u64', { UNWRITTEN_OK: 1 }),
  UNSEAL: struct(7, 'layout_unseal', 'ino:u64 gen:u64'),
  PREPARE: struct(
    8,
    'layout_prepare',
    'ino:u64 offset:u64 length:u64 align:u64 gen:u64 file_size:u64 extents:u32 changed:u32',
    {
      EXTEND: 1,
      UNWRITTEN: 2,
      CONTIGUOUS: 4,
    },
  ),
  BIND: struct(9, 'layout_bind', `id:u64 seq:u64 token:char:${TOKEN_BYTES}`),
} as const satisfies Record<string, IoctlStruct>;

export type IoctlName = keyof typeof IOCTLS;

/** Numbers of kinds, modes, lease states and extent states in the structs: the index in these lists. */
export const IOCTL_KINDS = ['none', 'layout', 'direct', 'exclusive', 'frozen', 'swap'] as const;
export const IOCTL_MODES = ['default', 'ro', 'rw'] as const;
export const IOCTL_STATES = [
  'none',
  'pending',
  'granted',
  'recalled',
  'fencing',
  'fence_failed',
  'orphaned',
  'revoked',
  'released',
] as const;
export const IOCTL_EXTENT_STATES = ['hole', 'unwritten', 'written', 'shared'] as const;

/** _IOWR(IOCTL_TYPE, number, size) */
export function ioctlRequest(name: IoctlName): number {
  return ((3 << 30) | (IOCTLS[name].size << 16) | (IOCTL_TYPE << 8) | IOCTLS[name].number) >>> 0;
}

/** A struct's bytes, read and written by field. */
export class IoctlArgument {
  readonly struct: IoctlStruct;
  readonly bytes: Buffer;

  /** `given`: what the program passed; missing fields at the end are zero. */
  constructor(struct: IoctlStruct, given: Uint8Array) {
    this.struct = struct;
    this.bytes = Buffer.alloc(struct.size);
    this.bytes.set(given.subarray(0, struct.size));
  }

  get(name: string): number {
    const { type, offset } = this.field(name);
    if (type === 'u32') return this.bytes.readUInt32LE(offset);
    const high = type === 's64' ? this.bytes.readInt32LE(offset + 4) : this.bytes.readUInt32LE(offset + 4);
    return high * 2 ** 32 + this.bytes.readUInt32LE(offset);
  }

  text(name: string): string {
    const { offset, count } = this.field(name);
    const end = this.bytes.indexOf(0, offset);
    return this.bytes.toString('utf8', offset, end < 0 || end > offset + count ? offset + count : end);
  }

  has(flag: string): boolean {
    return (this.bytes.readUInt32LE(4) & (this.struct.flags[flag] ?? 0)) !== 0;
  }

  set(values: Readonly<Record<string, number | string>>): this {
    for (const [name, value] of Object.entries(values)) {
      const { type, offset, count } = this.field(name);
      if (typeof value === 'string') this.bytes.fill(0, offset, offset + count).write(value, offset, count - 1, 'utf8');
      else if (type === 'u32') this.bytes.writeUInt32LE(value >>> 0, offset);
      else this.put64(offset, value);
    }
    return this;
  }

  extent(index: number, values: { offset: number; device: number; length: number; state: number }): void {
    const at = this.field('extent').offset + index * WIDTH.extent;
    this.put64(at, values.offset);
    this.put64(at + 8, values.device);
    this.put64(at + 16, values.length);
    this.bytes.writeUInt32LE(values.state, at + 24);
    this.bytes.writeUInt32LE(0, at + 28);
  }

  private put64(at: number, value: number): void {
    this.bytes.writeUInt32LE(value >>> 0, at);
    this.bytes.writeInt32LE(Math.floor(value / 2 ** 32) | 0, at + 4);
  }

  private field(name: string): IoctlField {
    const field = this.struct.fields.find((known) => known.name === name);
    if (!field) throw new Error(`${this.struct.name} has no field ${name}`);
    return field;
  }
}
