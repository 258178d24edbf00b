import { OPERATIONS } from '../fuse/catalogue.ts';
import { OP } from '../fuse/protocol.ts';
import { getU64, put64, STRUCTS, type StructName, sizeOf } from '../fuse/structs.ts';

const NODEID = 16;
const BODY = 40;

/** Fields that name a node, and those that name an open file: with the field that tells of which node. */
const NODES = new Set(['oldnodeid', 'newdir', 'nodeid_out']);
const HANDLES: Readonly<Record<string, string>> = { fh: '', fh_in: '', fh_out: 'nodeid_out' };

/**
 * Node ids and file handles are the server's to choose: what the server of a recording chose, and what the one of its
 * replay chooses for the same thing. Unknown ones are taken to be the same.
 */
export class Identities {
  private readonly nodes = new Map<number, number>();
  private readonly handles = new Map<string, number>();

  /** A request of the recording as the replaying server must get it; a copy. */
  translate(message: Buffer): Buffer {
    const bytes = Buffer.from(message);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const opcode = view.getUint32(4, true);
    const nodeid = getU64(view, NODEID);
    put64(view, NODEID, this.node(nodeid));
    if (opcode === OP.BATCH_FORGET) this.batch(view, bytes.length);
    const name = OPERATIONS[opcode]?.request;
    if (name === undefined || bytes.length < BODY + sizeOf(name)) return bytes;
    const { fields } = STRUCTS[name];
    const before = new DataView(message.buffer, message.byteOffset, message.length);
    const value = (field: string): number => getU64(before, BODY + offsetOf(name, field));
    for (const { name: field, offset } of fields) {
      if (NODES.has(field)) put64(view, BODY + offset, this.node(value(field)));
      const of = HANDLES[field];
      if (of !== undefined) put64(view, BODY + offset, this.handle(of === '' ? nodeid : value(of), value(field)));
    }
    return bytes;
  }

  /** What two replies to one request, `message` of the recording, say of new nodes and open files. */
  learn(message: Buffer, recorded: Buffer, replayed: Buffer): void {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    const opcode = view.getUint32(4, true);
    if (opcode === OP.READDIRPLUS) return this.learnEntries(recorded, replayed);
    let node = getU64(view, NODEID);
    let at = 0;
    for (const name of OPERATIONS[opcode]?.reply ?? []) {
      if (recorded.length < at + sizeOf(name) || replayed.length < at + sizeOf(name)) return;
      if (name === 'entry_out') {
        node = u64(recorded, at);
        this.nodes.set(node, u64(replayed, at));
      } else if (name === 'open_out') this.handles.set(`${node} ${u64(recorded, at)}`, u64(replayed, at));
      at += sizeOf(name);
    }
  }

  private learnEntries(recorded: Buffer, replayed: Buffer): void {
    const now = new Map(entries(replayed));
    for (const [name, node] of entries(recorded)) {
      const found = now.get(name);
      if (node !== 0 && found !== undefined && found !== 0) this.nodes.set(node, found);
    }
  }

  private batch(view: DataView, length: number): void {
    const one = sizeOf('forget_one');
    for (let at = BODY + sizeOf('batch_forget_in'); at + one <= length; at += one)
      put64(view, at, this.node(getU64(view, at)));
  }

  private node(id: number): number {
    return this.nodes.get(id) ?? id;
  }

  private handle(node: number, fh: number): number {
    return this.handles.get(`${node} ${fh}`) ?? fh;
  }
}

function offsetOf(struct: StructName, field: string): number {
  return STRUCTS[struct].fields.find(({ name }) => name === field)?.offset ?? 0;
}

function u64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 4294967296 + bytes.readUInt32LE(at);
}

/** Names of a READDIRPLUS, as latin1 so that every name is one, with their nodes. */
function* entries(bytes: Buffer): Generator<[string, number]> {
  const [entry, head] = [sizeOf('entry_out'), sizeOf('dirent')];
  for (let at = 0; at + entry + head <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + entry + 16);
    const name = at + entry + head;
    yield [bytes.toString('latin1', name, name + length), u64(bytes, at)];
    at = name + ((length + 7) & ~7);
  }
}
