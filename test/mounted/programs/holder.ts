/**
 * A lease holder as a process of its own, driven by a test: JSON commands on stdin, JSON answers on stdout, events of
 * its session as they come. It speaks to `.layout/ctl` directly, without any client of ours, so that it also tests
 * what is on the wire. It never touches the leased file itself (control.md, the rule for every holder).
 */
import { closeSync, constants, openSync, readSync, write } from 'node:fs';
import { createInterface } from 'node:readline';
import { MAP, PROT } from '../../../src/system/constants.ts';
import { bufferAt, mmap, munmap } from '../../../src/system/libc.ts';

interface Extent {
  offset: number;
  device: number;
  length: number;
}

const PAGE = 4096;
let session = -1;
let text = '';
let mapped: (Extent & { address: number; view: Buffer })[] = [];
const buffer = Buffer.allocUnsafe(1 << 20);

function say(object: unknown): void {
  process.stdout.write(`${JSON.stringify(object)}\n`);
}

/** Lines that the session holds now. */
function lines(): Record<string, unknown>[] {
  for (;;) {
    let count = 0;
    try {
      count = readSync(session, buffer, 0, buffer.length, null);
    } catch (error) {
      // The daemon was killed: what is mapped lives on, and so does this process.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') session = -1;
    }
    if (count === 0) break;
    text += buffer.toString('utf8', 0, count);
  }
  const found = text.split('\n');
  text = found.pop() as string;
  return found.map((line) => JSON.parse(line) as Record<string, unknown>);
}

let replies: Record<string, unknown>[] = [];

function pump(): void {
  if (session < 0) return;
  for (const object of lines()) {
    if ('event' in object) say(object);
    else replies.push(object);
  }
}

setInterval(pump, 1);

/** Word of 8 bytes at the start of a page of the file: tells which page it is, and which round. */
function stamp(page: number, round: number): bigint {
  return (BigInt(page) << 20n) | BigInt(round & 0xfffff);
}

function pages(visit: (view: Buffer, at: number, page: number) => void): void {
  for (const { offset, length, view } of mapped) {
    for (let at = 0; at < length; at += PAGE) visit(view, at, (offset + at) / PAGE);
  }
}

const commands: Record<string, (command: Record<string, unknown>) => unknown> = {
  open({ path }) {
    session = openSync(path as string, constants.O_RDWR | constants.O_NONBLOCK);
    return {};
  },
  async request({ line }) {
    replies = [];
    const errno = await new Promise<string | null>((resolve) =>
      write(session, `${JSON.stringify(line)}\n`, (error) => resolve(error?.code ?? null)),
    );
    for (let i = 0; i < 5000 && replies.length === 0; i++) {
      pump();
      if (replies.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return { reply: replies.shift() ?? null, writeErrno: errno };
  },
  map({ path, extents }) {
    const fd = openSync(path as string, constants.O_RDWR);
    mapped = (extents as Extent[]).map((extent) => {
      const address = mmap(0, extent.length, PROT.READ | PROT.WRITE, MAP.SHARED, fd, extent.device);
      if (address < 0) throw new Error(`mmap of ${extent.length} bytes at ${extent.device}: errno ${-address}`);
      return { ...extent, address, view: bufferAt(address, extent.length) };
    });
    closeSync(fd);
    return { pieces: mapped.length };
  },
  store({ round }) {
    let count = 0;
    pages((view, at, page) => {
      view.fill((page + (round as number)) & 0xff, at, at + PAGE);
      view.writeBigUInt64LE(stamp(page, round as number), at);
      count++;
    });
    return { pages: count };
  },
  /** How many pages hold exactly what store() of that round left. */
  verify({ round }) {
    let right = 0;
    let zero = 0;
    pages((view, at, page) => {
      const word = view.readBigUInt64LE(at);
      const last = view[at + PAGE - 1];
      if (word === stamp(page, round as number) && last === ((page + (round as number)) & 0xff)) right++;
      if (word === 0n && last === 0) zero++;
    });
    return { right, zero };
  },
  unmap() {
    for (const { address, length } of mapped) munmap(address, length);
    mapped = [];
    return {};
  },
  close() {
    closeSync(session);
    session = -1;
    return {};
  },
};

// One at a time, in order.
let turn = Promise.resolve();
createInterface({ input: process.stdin }).on('line', (line) => {
  turn = turn.then(async () => {
    const command = JSON.parse(line) as Record<string, unknown>;
    try {
      const result = await commands[command.do as string]?.(command);
      say({ answer: command.n, ...(result as object) });
    } catch (error) {
      say({ answer: command.n, error: (error as Error).message, code: (error as NodeJS.ErrnoException).code ?? null });
    }
  });
});
