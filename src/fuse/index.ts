/** The FUSE engine by itself, exported as layoutfs/fuse. Start reading at session.ts: caching, deadlocks, the loop. */
export { E, errnoName } from '../system/errno.ts';
export { OPERATIONS, type Operation, type OperationName, operationName } from './catalogue.ts';
export { HelperError } from './fusermount.ts';
export { ConnectionInfo, maxPagesLimit, type SavedInfo, type Wanted } from './init.ts';
export { cloneDevice, type MountOptions, openAndMount, unmount } from './mount.ts';
export { Notifier } from './notifier.ts';
export * from './protocol.ts';
export * from './replies.ts';
export { type ReplyArea, Request, type RequestOwner } from './request.ts';
export { type End, type Handler, Session, type SessionOptions } from './session.ts';
export {
  decode,
  encode,
  type Field,
  type FieldName,
  type Fields,
  type FieldType,
  STRUCTS,
  type Struct,
  type StructName,
  sizeOf,
} from './structs.ts';
export { type TypedHandlers, typedHandlers } from './typed.ts';
