import { O } from '../system/constants.ts';

/**
 * Handles of open files are bare numbers: the daemon keeps no descriptor and no table entry for an open file. The
 * epoch in them keeps the handles of one daemon apart from those of the next. Bit 0 remembers O_NONBLOCK for the
 * requests that do not carry the open flags (FALLOCATE, SETATTR, COPY_FILE_RANGE).
 */
export class Handles {
  private next: number;

  constructor(epoch: number) {
    this.next = (epoch % 2 ** 18) * 2 ** 34 + 2;
  }

  open(flags: number): number {
    const fh = this.next + ((flags & O.NONBLOCK) === 0 ? 0 : 1);
    this.next += 2;
    return fh;
  }
}

/** Was the file opened with O_NONBLOCK? */
export function isNonblocking(fh: number): boolean {
  return fh % 2 === 1;
}
