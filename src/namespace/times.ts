import type { Clock, Timespec } from '../system/clock.ts';
import type { Inode } from './inode.ts';

/** How reads move the access time: the mount options of mount(8). */
export type AtimePolicy = 'relatime' | 'noatime' | 'strictatime';

/** Relatime moves an access time that is older than this, in seconds. */
const RELATIME_AGE = 24 * 3600;

/** Nanoseconds for which overwriting leaves the times as they are. */
const OVERWRITE_TICK = 1e6;

/** Seconds are kept exactly to here (both ways): 2^53 - 1, far beyond what the kernel hands on. */
const SECONDS_LIMIT = Number.MAX_SAFE_INTEGER;

/** The stamps of files. One instance holds "now" for the operation that asked last. */
export class Times {
  readonly now: Timespec = { seconds: 0, nanoseconds: 0 };
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Takes the time of day; what follows stamps with it, so that one operation has one time. */
  refresh(): void {
    this.clock.realtime(this.now);
  }

  /** A new file: all four are now. */
  stampBirth(inode: Inode): void {
    this.refresh();
    inode.btimeS = this.now.seconds;
    inode.btimeNs = this.now.nanoseconds;
    this.setAtime(inode, this.now.seconds, this.now.nanoseconds);
    this.setMtime(inode, this.now.seconds, this.now.nanoseconds);
    this.setCtime(inode);
  }

  /** Contents changed: mtime and ctime. */
  stampChange(inode: Inode): void {
    this.refresh();
    this.setMtime(inode, this.now.seconds, this.now.nanoseconds);
    this.setCtime(inode);
  }

  /**
   * Contents were overwritten and nothing else of the inode changed: moves mtime and ctime once a millisecond, and
   * whenever somebody has seen them as they are, as the kernel's own filesystems do once a tick of its clock and after a
   * stat(2) (multigrain timestamps, Linux 6.13): who compares times finds every change. False: they stay.
   */
  stampOverwrite(inode: Inode): boolean {
    this.refresh();
    const { seconds, nanoseconds } = this.now;
    const since = nanoseconds - inode.mtimeNs;
    const fresh = seconds === inode.mtimeS && since >= 0 && since < OVERWRITE_TICK;
    if (fresh && !inode.timesShown && seconds === inode.ctimeS && nanoseconds >= inode.ctimeNs) return false;
    this.setMtime(inode, seconds, nanoseconds);
    this.setCtime(inode);
    return true;
  }

  /** Attributes changed: ctime. */
  stampAttributes(inode: Inode): void {
    this.refresh();
    this.setCtime(inode);
  }

  setAtime(inode: Inode, seconds: number, nanoseconds: number): void {
    inode.atimeS = clampSeconds(seconds);
    inode.atimeNs = nanoseconds;
  }

  setMtime(inode: Inode, seconds: number, nanoseconds: number): void {
    inode.mtimeS = clampSeconds(seconds);
    inode.mtimeNs = nanoseconds;
  }

  private setCtime(inode: Inode): void {
    inode.timesShown = false;
    inode.ctimeS = this.now.seconds;
    inode.ctimeNs = this.now.nanoseconds;
  }

  /**
   * Whether a read now moves the access time, and if so moves it. The rules are the kernel's (`relatime_need_update`,
   * `file_accessed`): a file opened with O_NOATIME never gets here.
   */
  access(inode: Inode, policy: AtimePolicy): boolean {
    if (policy === 'noatime') return false;
    this.refresh();
    const { seconds, nanoseconds } = this.now;
    if (policy === 'relatime') {
      const stale =
        !isLater(inode.atimeS, inode.atimeNs, inode.mtimeS, inode.mtimeNs) ||
        !isLater(inode.atimeS, inode.atimeNs, inode.ctimeS, inode.ctimeNs) ||
        seconds - inode.atimeS >= RELATIME_AGE;
      if (!stale) return false;
    } else if (inode.atimeS === seconds && inode.atimeNs === nanoseconds) return false;
    this.setAtime(inode, seconds, nanoseconds);
    return true;
  }
}

function isLater(aS: number, aNs: number, bS: number, bNs: number): boolean {
  return aS > bS || (aS === bS && aNs > bNs);
}

function clampSeconds(seconds: number): number {
  return Math.max(-SECONDS_LIMIT, Math.min(SECONDS_LIMIT, seconds));
}
