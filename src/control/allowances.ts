import type { Caller } from './ports.ts';
import { MAX_UNREAD_OF_USER } from './session.ts';

/** Sessions of one user who is no administrator. */
const DEFAULT_SESSIONS = 1024;

/** What the open sessions, streams and tables of one user keep in the daemon's memory. */
interface Allowance {
  files: number;
  bytes: number;
}

/** Sessions, streams and texts of one user count together: each keeps something in memory. */
export class Allowances {
  private readonly byUid = new Map<number, Allowance>();
  private readonly most: number;

  constructor(most: number = DEFAULT_SESSIONS) {
    this.most = most;
  }

  of(uid: number): Allowance {
    let allowance = this.byUid.get(uid);
    if (!allowance) {
      allowance = { files: 0, bytes: 0 };
      this.byUid.set(uid, allowance);
    }
    return allowance;
  }

  isUsedUp({ uid, privileged }: Caller): boolean {
    const { files, bytes } = this.of(uid);
    return !privileged && (files >= this.most || bytes >= MAX_UNREAD_OF_USER);
  }

  closed(uid: number): void {
    const allowance = this.of(uid);
    allowance.files--;
    if (allowance.files <= 0) this.byUid.delete(uid);
  }
}
