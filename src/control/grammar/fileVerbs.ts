import * as f from './fields.ts';
import { blockerItem, changed, EXTENT_STATES, FILE, file, generation, lease, range, verb } from './groups.ts';

/** Verbs on the blocks of files. */
export const FILE_VERBS = {
  map: verb({
    summary: 'the extents of a range; an observation only, unless a lease is named',
    request: {
      ...file,
      id: f.integer('the lease; without it nothing is promised about the answer'),
      seq: f.integer('its seq, as the holder knows it'),
      token: f.text('as told by get: proves the holder from another session'),
      ...range,
      limit: f.integer('extents at most; 1000 if not given'),
    },
    needs: [['id', 'path', 'ino']],
    reply: {
      id: f.integer('the lease'),
      observation: f.flag('no lease stands behind this answer'),
      ...generation,
      block_size: f.required(f.size('bytes of a block')),
      size: f.required(f.size('bytes of the file')),
      device: f.required(
        f.group(
          { uuid: f.required(f.text('of the volume')), path: f.required(f.text('of the backing file')) },
          'where the device offsets count',
        ),
      ),
      next: f.nullable(f.size('offset to go on from, when there is more')),
    },
    list: {
      name: 'extents',
      item: {
        offset: f.required(f.size('in the file')),
        device: f.nullable(f.size('in the device; null in a hole')),
        length: f.required(f.size('bytes')),
        state: f.required(f.choice(EXTENT_STATES, 'what is there')),
      },
    },
    example: 'map id=7',
  }),
  alloc: verb({
    summary: 'allocate a range under a layout rw or exclusive lease; durable before the reply',
    request: { ...lease, ...range, keep_size: f.flag('never grow the file') },
    reply: { ...changed, ...generation, size: f.required(f.size('of the file')) },
    example: 'alloc id=7 range=0-1m',
  }),
  commit: verb({
    summary: 'what the holder stored becomes part of the file; durable before the reply',
    request: {
      ...lease,
      ...range,
      ranges: f.ranges('several ranges at once'),
      size: f.size('the file grows to this'),
    },
    reply: { ...changed, ...generation, size: f.required(f.size('of the file')) },
    example: 'commit id=7 range=0-1m',
  }),
  prepare: verb({
    summary: 'make a range fit for a direct lease: allocated, its own, aligned, durable',
    request: {
      ...file,
      ...range,
      unwritten: f.flag('leave new blocks unwritten instead of zeroing them'),
      align: f.size('a power of two for the physical start'),
      contiguous: f.flag('one extent only'),
      extend: f.flag('grow the file to the end of the range'),
    },
    needs: [FILE],
    reply: {
      ...generation,
      size: f.required(f.size('of the file')),
      extents: f.required(f.integer('how many extents the range has')),
      changed: f.required(f.flag('something had to be done')),
    },
    example: 'prepare path=/db/data.ibd range=0-1g extend',
  }),
  seal: verb({
    summary: 'make the block map immutable until unseal, across remounts (administrator)',
    request: {
      ...file,
      unwritten_ok: f.flag('unwritten extents are accepted'),
      wait: f.duration('patience with lease holders'),
    },
    needs: [FILE],
    reply: { ...generation, sealed: f.required(f.flag('it is')) },
    example: 'seal path=/vm/disk.raw',
  }),
  unseal: verb({
    summary: 'end a seal (administrator)',
    request: file,
    needs: [FILE],
    reply: { ...generation, sealed: f.required(f.flag('it is not')) },
    example: 'unseal path=/vm/disk.raw',
  }),
  clone: verb({
    summary: 'share a range of blocks with another file (reflink)',
    request: {
      ...file,
      ...range,
      to: f.required(f.path('the destination file')),
      to_offset: f.size('where in it; 0 if not given'),
      wait: f.duration('patience with lease holders'),
    },
    needs: [FILE],
    reply: { ...generation, size: f.required(f.size('of the destination')) },
    example: 'clone path=/a to=/b',
  }),
  collapse: verb({
    summary: 'take a range out of a file; what follows moves down',
    request: { ...file, ...range, wait: f.duration('patience with lease holders') },
    needs: [FILE],
    reply: { ...generation, size: f.required(f.size('of the file')) },
    example: 'collapse path=/a range=0-1m',
  }),
  insert: verb({
    summary: 'put a hole into a file; what follows moves up',
    request: { ...file, ...range, wait: f.duration('patience with lease holders') },
    needs: [FILE],
    reply: { ...generation, size: f.required(f.size('of the file')) },
    example: 'insert path=/a range=0-1m',
  }),
  relocate: verb({
    summary: "move a file's blocks to another place of the device",
    request: {
      ...file,
      ...range,
      align: f.size('a power of two for the physical start'),
      contiguous: f.flag('one extent only'),
      wait: f.duration('patience with lease holders'),
    },
    needs: [FILE],
    reply: { ...generation, moved: f.required(f.size('bytes')), extents: f.required(f.integer('afterwards')) },
    example: 'relocate path=/a contiguous',
  }),
  drain: verb({
    summary: 'empty a range of the device (administrator)',
    request: { ...range, wait: f.duration('patience with lease holders') },
    reply: { moved: f.required(f.size('bytes')), left: f.required(f.size('bytes that leases hold in place')) },
    list: { name: 'blockers', item: blockerItem },
    example: 'drain range=1g-2g',
  }),
} as const;
