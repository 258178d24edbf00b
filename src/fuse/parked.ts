import { E } from '../system/errno.ts';
import { Interrupts } from './interrupts.ts';
import type { Request } from './request.ts';

/** The parked requests of a session, by their ids, and the INTERRUPTs that are about them. */
export class ParkedRequests {
  private readonly requests = new Map<number, Request>();
  private readonly interrupts = new Interrupts();

  /** Parked requests that were not answered yet. */
  get size(): number {
    return this.requests.size;
  }

  add(request: Request): void {
    this.requests.set(request.unique, request);
  }

  /** It is answered, if it was parked. */
  remove(request: Request): void {
    if (this.requests.get(request.unique) === request) this.requests.delete(request.unique);
  }

  /** A request has come whose INTERRUPT may have been faster. */
  arrived(request: Request): void {
    if (this.interrupts.any) request.interrupted = this.interrupts.take(request.unique);
  }

  /**
   * An INTERRUPT goes to the parked request it names. One that names a request not seen yet is remembered, and
   * answered EAGAIN, upon which the kernel repeats it; when it is about a request already answered, neither matters.
   */
  interrupt(request: Request): void {
    const target = (request.u32(4) & 0x1fffff) * 4294967296 + request.u32(0);
    const parked = this.requests.get(target);
    if (parked) parked.interrupt();
    else if (this.interrupts.remember(target)) {
      request.error(E.AGAIN);
      return;
    }
    request.none();
  }
}
