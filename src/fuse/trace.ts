/** Requests and replies as readable lines, printed from the struct tables. */
import { errnoName } from '../system/errno.ts';
import { OPERATIONS, operationName } from './catalogue.ts';
import { OP } from './protocol.ts';
import type { Request } from './request.ts';
import { decode, type StructName, sizeOf } from './structs.ts';

const SHOWN_NAME = 80;

/** Structs of which the catalogue knows only the part that every kernel sends. */
const LONG: Readonly<Record<number, StructName>> = { [OP.INIT]: 'init_in' };

/** "-> #14 LOOKUP node=1 uid=0 gid=0 pid=4242 "name"" */
export function traceRequest(request: Request): string {
  const { nodeid, uid, gid, pid } = request;
  const words = [`-> #${request.unique}${request.resent ? ' (again)' : ''} ${operationName(request.opcode)}`];
  words.push(`node=${nodeid} uid=${uid} gid=${gid} pid=${pid}`);
  const operation = OPERATIONS[request.opcode];
  if (!operation) return words.join(' ');
  let at = request.body;
  const struct = LONG[request.opcode] ?? operation.request;
  if (struct && request.end >= at + sizeOf(struct)) words.push(fields(struct, request.view, at));
  if (operation.request) at += sizeOf(operation.request);
  for (let i = 0; i < operation.names && at < request.end; i++) {
    const name = request.name(at - request.body);
    words.push(quoted(name));
    at += name.length + 1;
  }
  if (request.opcode === OP.WRITE) words.push(`data=${request.end - at}`);
  return words.join(' ');
}

/** "<- #14 LOOKUP 144 bytes nodeid=2 …", "<- #14 LOOKUP ENOENT" */
export function traceReply(request: Request, error: number, length: number): string {
  const head = `<- #${request.unique} ${operationName(request.opcode)}`;
  if (error !== 0) return `${head} ${errnoName(error)}`;
  const words = [head, `${length} bytes`];
  const { out } = request;
  let at = out.start;
  for (const struct of OPERATIONS[request.opcode]?.reply ?? []) {
    if (out.start + length < at + sizeOf(struct)) break;
    words.push(fields(struct, out.view, at));
    at += sizeOf(struct);
  }
  return words.join(' ');
}

/** Fields that are not 0; modes in octal. */
function fields(struct: StructName, view: DataView, at: number): string {
  return Object.entries(decode(struct, view, at))
    .filter(([, value]) => value !== 0)
    .map(([name, value]) => `${name}=${/(^|\.)(mode|umask)$/.test(name) ? `0${value.toString(8)}` : value}`)
    .join(' ');
}

/** Bytes as a quoted string; what is not printable ASCII as \xNN. */
function quoted(name: Buffer): string {
  const shown = name.subarray(0, SHOWN_NAME);
  let text = '';
  for (const byte of shown) {
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `"${text}"${name.length > SHOWN_NAME ? '…' : ''}`;
}
