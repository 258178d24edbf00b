import { COPY_AT, type Header, isBlockSize, MAJOR, MINOR, writeHeader } from '../volume/header.ts';
import type { Check, Context } from './context.ts';

/** The device's header: both copies whole and the same, and of one mind with the database about the sizes. */
export const header: Check = {
  name: 'header',
  run(context) {
    copies(context);
    geometry(context);
    length(context);
  },
};

function copies(context: Context): void {
  const { header: found, stale } = context.opened;
  if (!found) {
    const message = 'both copies of the header are gone; the database tells what was in them';
    context.found({ code: 'header-lost', safe: false, message }, () =>
      context.atCommit(() => write(context, rebuilt(context))),
    );
    return;
  }
  for (const at of stale) {
    const which = at === COPY_AT ? 'second' : 'first';
    const message = `the ${which} copy of the header is damaged or old`;
    context.found({ code: 'header-copy', safe: true, message }, () => context.atCommit(() => write(context, found)));
  }
}

function write(context: Context, what: Header): void {
  const r = writeHeader(context.opened.device, what);
  if (r < 0) throw new Error(`the header cannot be written (errno ${-r})`);
}

function rebuilt({ volume }: Context): Header {
  return {
    major: MAJOR,
    minor: MINOR,
    uuid: volume.uuid,
    blockSize: volume.block_size,
    deviceBlocks: volume.device_blocks,
    firstBlock: volume.first_block,
    createdS: volume.created_s,
    label: volume.label,
    features: JSON.parse(volume.features) as string[],
    epoch: volume.epoch,
    ownerPid: 0,
    ownerStart: 0,
    bootId: volume.boot_id,
    writes: 0,
  };
}

/** The header has a checksum and the row has none: where they differ, the header is right, and the checks go by it. */
function geometry(context: Context): void {
  const { volume } = context;
  const right = context.opened.header;
  if (!right || !isBlockSize(right.blockSize)) return;
  const pairs: ['block_size' | 'device_blocks' | 'first_block', number][] = [
    ['block_size', right.blockSize],
    ['device_blocks', right.deviceBlocks],
    ['first_block', right.firstBlock],
  ];
  for (const [column, value] of pairs) {
    if (volume[column] === value) continue;
    const message = `the database has ${volume[column]} for ${column}, the header ${value}`;
    context.found({ code: 'volume-geometry', safe: false, message }, () =>
      context.run(`UPDATE volume SET ${column} = ?`, value),
    );
    volume[column] = value;
  }
}

function length(context: Context): void {
  const { device } = context.opened;
  const { device_blocks: blocks, block_size: size } = context.volume;
  if (device.length >= blocks * size) return;
  const message = `the device has ${device.length} bytes, the volume ${blocks * size}: its end is missing, with what was there`;
  context.found({ code: 'device-short', safe: false, message });
}
