import { E } from '../system/errno.ts';
import type { Handle } from './handle.ts';
import type { Request } from './ports.ts';

/** An open text file: what it said at the open, however slowly it is read. */
export class TextFile implements Handle {
  private readonly text: Buffer;
  readonly release: () => void;

  constructor(text: string, onRelease: () => void) {
    this.release = onRelease;
    this.text = Buffer.from(text, 'utf8');
  }

  read(request: Request, offset: number, size: number): void {
    const { bytes, start, capacity } = request.out;
    const from = Math.min(offset, this.text.length);
    request.ok(this.text.copy(bytes, start, from, from + Math.min(size, capacity)));
  }

  write(request: Request): void {
    request.error(E.BADF);
  }
}
