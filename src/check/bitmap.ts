import type { Context } from './context.ts';

/** Blocks a row of `space` tells of. */
export const GROUP_BLOCKS = 32768;
const GROUP_BYTES = GROUP_BLOCKS / 8;

/**
 * Compares the bitmap of each group with what the sweep says, in ascending order. Only groups that have a claim or a row
 * are looked at, so an empty large device costs nothing.
 */
export class BitmapComparison {
  private readonly context: Context;
  private readonly expected = Buffer.alloc(GROUP_BYTES);
  private group = -1;

  constructor(context: Context) {
    this.context = context;
    context.db.exec('CREATE TEMP TABLE space_seen (number INTEGER PRIMARY KEY)');
  }

  /** Blocks [start, end) are in use. Calls come in ascending order. */
  use(start: number, end: number): void {
    for (let at = start; at < end; ) {
      const group = Math.floor(at / GROUP_BLOCKS);
      if (group !== this.group) this.open(group);
      const stop = Math.min(end, (group + 1) * GROUP_BLOCKS);
      setBits(this.expected, at - group * GROUP_BLOCKS, stop - group * GROUP_BLOCKS);
      at = stop;
    }
  }

  async finish(): Promise<void> {
    this.close();
    const { context } = this;
    const groups = Math.ceil(context.volume.device_blocks / GROUP_BLOCKS);
    await context.each<{ number: number }>(
      'SELECT number FROM space WHERE number NOT IN (SELECT number FROM temp.space_seen)',
      ({ number }) => {
        if (number < 0 || number >= groups) {
          context.found({ code: 'space-group', safe: true, message: `group ${number} is not on the device` }, () =>
            context.run('DELETE FROM space WHERE number = ?', number),
          );
        } else {
          this.open(number);
          this.close();
        }
      },
    );
    context.db.exec('DROP TABLE temp.space_seen');
  }

  private open(group: number): void {
    this.close();
    this.group = group;
    this.expected.fill(0);
    this.context.run('INSERT INTO temp.space_seen (number) VALUES (?)', group);
  }

  private close(): void {
    if (this.group < 0) return;
    const { context, expected, group } = this;
    this.group = -1;
    const blocks = Math.min(GROUP_BLOCKS, context.volume.device_blocks - group * GROUP_BLOCKS);
    const row = context.row<{ free: number; bitmap: Buffer }>('SELECT free, bitmap FROM space WHERE number = ?', group);
    const mend = (): void => {
      // Bits behind the end of the device stay as `use` left them: clear.
      context.run(
        'INSERT INTO space (number, free, bitmap) VALUES (?, ?, ?) ON CONFLICT (number) DO UPDATE SET free = excluded.free, bitmap = excluded.bitmap',
        group,
        blocks - countBits(expected, blocks),
        Buffer.from(expected),
      );
    };
    const stored = row ? row.bitmap : undefined;
    if (stored && stored.length !== GROUP_BYTES) {
      const message = `group ${group}: the bitmap has ${stored.length} bytes, should have ${GROUP_BYTES}`;
      context.found({ code: 'space-size', safe: true, message }, mend);
      return;
    }
    // The header's blocks count as in use whatever the bitmap says of them: a fresh volume has no rows.
    const header = Buffer.alloc(GROUP_BYTES);
    setBits(header, 0, Math.max(0, Math.min(blocks, context.volume.first_block - group * GROUP_BLOCKS)));
    let leaked = 0;
    let lost = 0;
    for (let i = 0; i * 8 < blocks; i++) {
      const valid = blocks - i * 8 >= 8 ? 0xff : (1 << (blocks - i * 8)) - 1;
      const is = ((stored ? stored[i] : 0) | header[i]) & valid;
      leaked += ONES[is & ~expected[i] & 0xff];
      lost += ONES[expected[i] & ~is & 0xff];
    }
    if (lost > 0) {
      const message = `group ${group}: ${lost} blocks are in use, and free in the bitmap${leaked ? `; ${leaked} the other way round` : ''}`;
      context.found({ code: 'space-in-use', safe: true, message }, mend);
    } else if (leaked > 0) {
      const message = `group ${group}: ${leaked} blocks belong to nobody, and are not free in the bitmap`;
      context.found({ code: 'space-leaked', safe: true, message }, mend);
    } else if (row && row.free !== blocks - countBits(expected, blocks)) {
      const message = `group ${group} counts ${row.free} free blocks, its bitmap has ${blocks - countBits(expected, blocks)}`;
      context.found({ code: 'space-count', safe: true, message }, mend);
    }
  }
}

const ONES = Uint8Array.from({ length: 256 }, (_, n) => n.toString(2).replaceAll('0', '').length);

function setBits(bitmap: Buffer, from: number, to: number): void {
  for (let bit = from; bit < to; ) {
    if ((bit & 7) === 0 && to - bit >= 8) {
      const whole = (to - bit) >> 3;
      bitmap.fill(0xff, bit >> 3, (bit >> 3) + whole);
      bit += whole * 8;
    } else {
      bitmap[bit >> 3] |= 1 << (bit & 7);
      bit++;
    }
  }
}

function countBits(bitmap: Buffer, bits: number): number {
  let count = 0;
  for (let i = 0; i * 8 < bits; i++) {
    const valid = bits - i * 8 >= 8 ? 0xff : (1 << (bits - i * 8)) - 1;
    count += ONES[bitmap[i] & valid];
  }
  return count;
}
