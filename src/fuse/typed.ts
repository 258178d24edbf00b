/**
 * Handlers whose arguments are typed: the fields of the operation's struct by their names in <linux/fuse.h>, then the names
 * that follow it. Made for filesystems that begin; each call makes an object, which on a hot path `request.u64(at)` does
 * not.
 */
import { type NameCount, OPERATIONS, type OperationName, type RequestStruct } from './catalogue.ts';
import { OP } from './protocol.ts';
import type { Request } from './request.ts';
import type { Handler } from './session.ts';
import { decode, type Fields, type StructName, sizeOf } from './structs.ts';

type FieldsOf<Name extends OperationName> =
  RequestStruct<Name> extends StructName ? Fields<RequestStruct<Name>> : object;
type BytesOf<Name extends OperationName> = Name extends 'WRITE'
  ? [data: Buffer]
  : NameCount<Name> extends 2
    ? [name: Buffer, second: Buffer]
    : NameCount<Name> extends 1
      ? [name: Buffer]
      : [];

/**
 * By the names of the operations. WRITE gets its data. Names and data are views, gone when the handler returns; 64-bit fields
 * above 2^53 lose low bits. SETXATTR is that of a session that does not ask for SETXATTR_EXT: its value is `size` bytes after
 * name and NUL.
 */
export type TypedHandlers = {
  readonly [Name in OperationName]?: (request: Request, fields: FieldsOf<Name>, ...bytes: BytesOf<Name>) => void;
};

type AnyHandler = (request: Request, fields: object, ...bytes: Buffer[]) => void;

/** For `SessionOptions.handlers`; single ones of the list may be replaced by untyped handlers. */
export function typedHandlers(table: TypedHandlers): Handler[] {
  const list: Handler[] = [];
  for (const [name, handle] of Object.entries(table) as [OperationName, AnyHandler][]) {
    const code = OP[name];
    const { request: struct, names = 0 } = OPERATIONS[code] ?? {};
    const size = struct === undefined ? 0 : sizeOf(struct);
    list[code] = (request) => {
      const fields = struct === undefined ? {} : decode(struct, request.view, request.body);
      if (code === OP.WRITE) {
        handle(request, fields, request.bytes.subarray(request.body + size, request.end));
      } else if (names === 0) {
        handle(request, fields);
      } else {
        const first = request.name(size);
        if (names === 1) handle(request, fields, first);
        else handle(request, fields, first, request.nextName(first));
      }
    };
  }
  return list;
}
