/** Events of leases (control.md "Events"). Every event is notified exactly once. */
import type { Strength } from './api.ts';

export type EventName =
  | 'recall'
  | 'invalidate'
  | 'granted'
  | 'revoked'
  | 'released'
  | 'orphaned'
  | 'fence'
  | 'quarantine'
  | 'gen'
  | 'overflow';

export interface Breaker {
  pid: number;
  command: string;
  operation: string;
}

/** Offsets and lengths in bytes, Infinity = to any end; deadlineMs is the time left. */
export interface LeaseEvent {
  event: EventName;
  lease: number;
  seq: number;
  ino: number;
  path: Buffer;
  offset: number;
  length: number;
  kind: string;
  reason: string;
  /** What the holder must come down to: `none`, or a kind such as `layout ro`. */
  target?: string;
  deadlineMs?: number;
  breaker?: Breaker;
  /** fence: how, and with what result. */
  method?: string;
  result?: string;
  strength?: Strength;
  /** gen: generation of the block map now. */
  gen?: number;
  /** quarantine: blocks of the device. */
  deviceBlock?: number;
  blocks?: number;
}
