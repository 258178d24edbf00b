import { E } from '../system/errno.ts';
import type { Handle } from './handle.ts';
import type { Request } from './ports.ts';

/** A device window whose reads, writes and mappings the kernel passes to the backing file: nothing arrives here. */
export class PassthroughWindow implements Handle {
  readonly deviceOf: number;
  readonly release: () => void;

  constructor(lease: number, onRelease: () => void) {
    this.deviceOf = lease;
    this.release = onRelease;
  }

  read(request: Request): void {
    request.error(E.IO);
  }

  write(request: Request): void {
    request.error(E.IO);
  }
}

/** Holder may do I/O (leases.md section 4). */
export function isLive(state: string): boolean {
  return state === 'GRANTED' || state === 'RECALLED';
}
