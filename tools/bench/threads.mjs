/**
 * threads.c in JavaScript: the same server by koffi, with one thread or with several workers, each on a descriptor of its own.
 *
 *   node threads.mjs BACKING MOUNTPOINT THREADS
 */
import { openSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import koffi from 'koffi';

const libc = koffi.load(null);
const read = libc.func('int64_t read(int fd, uintptr_t at, size_t n)');
const write = libc.func('int64_t write(int fd, uintptr_t at, size_t n)');
const pread = libc.func('int64_t pread(int fd, uintptr_t at, size_t n, int64_t offset)');
const pwrite = libc.func('int64_t pwrite(int fd, uintptr_t at, size_t n, int64_t offset)');
const ioctl = libc.func('int ioctl(int fd, uint64_t request, uintptr_t at)');
const lseek = libc.func('int64_t lseek(int fd, int64_t offset, int whence)');
const mount = libc.func('int mount(str source, str dir, str type, uint64_t flags, str data)');

const OP = { LOOKUP: 1, FORGET: 2, GETATTR: 3, OPEN: 14, READ: 15, WRITE: 16, RELEASE: 18, FSYNC: 20, INIT: 26 };
const SILENT = new Set([OP.FORGET, 36, 42]); // FORGET, INTERRUPT, BATCH_FORGET
const ENOENT = 2;
const ENOSYS = 38;
const FUSE_DEV_IOC_CLONE = 0x8004e500;
const MIB = 1 << 20;
const OUT_HEADER = 16;
const IN_HEADER = 40;
const SEEK_END = 2;

function serve(fd, backing) {
  const request = new ArrayBuffer(MIB + 8192);
  const reply = new ArrayBuffer(MIB + OUT_HEADER);
  const at = Number(koffi.address(Buffer.from(request)));
  const to = Number(koffi.address(Buffer.from(reply)));
  const input = new DataView(request);
  const out = new DataView(reply);
  const attributes = (node, from) => {
    const file = node === 2;
    out.setUint32(from, node, true); // ino
    if (file) out.setUint32(from + 8, lseek(backing, 0, SEEK_END), true);
    out.setUint32(from + 60, file ? 0o100644 : 0o40755, true);
    out.setUint32(from + 64, 1, true); // nlink
    out.setUint32(from + 80, 4096, true);
  };
  const answer = (length, error = 0) => {
    out.setUint32(0, OUT_HEADER + length, true);
    out.setInt32(4, -error, true);
    out.setUint32(8, input.getUint32(8, true), true);
    out.setUint32(12, input.getUint32(12, true), true);
    write(fd, to, OUT_HEADER + length);
  };
  for (;;) {
    if (read(fd, at, MIB + 8192) <= 0) {
      const errno = koffi.errno();
      if (errno === koffi.os.errno.ENODEV) return;
      continue;
    }
    const opcode = input.getUint32(4, true);
    if (opcode === OP.READ) {
      const size = input.getUint32(IN_HEADER + 16, true);
      answer(pread(backing, to + OUT_HEADER, size, input.getUint32(IN_HEADER + 8, true)));
      continue;
    }
    if (opcode === OP.WRITE) {
      const size = input.getUint32(IN_HEADER + 16, true);
      const done = pwrite(backing, at + IN_HEADER + 40, size, input.getUint32(IN_HEADER + 8, true));
      out.setUint32(OUT_HEADER, done, true);
      out.setUint32(OUT_HEADER + 4, 0, true);
      answer(8);
      continue;
    }
    new Uint8Array(reply, 0, 256).fill(0);
    if (opcode === OP.INIT) {
      out.setUint32(OUT_HEADER, 7, true);
      out.setUint32(OUT_HEADER + 4, 38, true);
      out.setUint32(OUT_HEADER + 8, input.getUint32(IN_HEADER + 8, true), true);
      out.setUint32(OUT_HEADER + 12, 1 | (1 << 5) | (1 << 22), true); // ASYNC_READ BIG_WRITES MAX_PAGES
      out.setUint16(OUT_HEADER + 16, 64, true);
      out.setUint16(OUT_HEADER + 18, 48, true);
      out.setUint32(OUT_HEADER + 20, MIB, true);
      out.setUint32(OUT_HEADER + 24, 1, true);
      out.setUint16(OUT_HEADER + 28, MIB / 4096, true);
      answer(64);
    } else if (opcode === OP.LOOKUP) {
      const name = Buffer.from(request, IN_HEADER, 5).toString('latin1');
      if (name !== 'data\0') answer(0, ENOENT);
      else {
        out.setUint32(OUT_HEADER, 2, true);
        out.setUint32(OUT_HEADER + 16, 86400, true);
        out.setUint32(OUT_HEADER + 24, 86400, true);
        attributes(2, OUT_HEADER + 40);
        answer(128);
      }
    } else if (opcode === OP.GETATTR) {
      out.setUint32(OUT_HEADER, 86400, true);
      attributes(input.getUint32(16, true), OUT_HEADER + 16);
      answer(104);
    } else if (opcode === OP.OPEN) {
      out.setUint32(OUT_HEADER + 8, (1 << 6) | (1 << 1), true); // PARALLEL_DIRECT_WRITES KEEP_CACHE
      answer(16);
    } else if (!SILENT.has(opcode)) answer(0, opcode === OP.RELEASE || opcode === OP.FSYNC ? 0 : ENOSYS);
  }
}

if (isMainThread) {
  const [path, dir, threads] = process.argv.slice(2);
  const backing = openSync(path, 'r+');
  const fd = openSync('/dev/fuse', 'r+');
  const options = `fd=${fd},rootmode=40000,user_id=0,group_id=0,allow_other`;
  if (mount('threads', dir, 'fuse.threads', 0, options) < 0) throw new Error(`mount: errno ${koffi.errno()}`);
  for (let i = 1; i < Number(threads); i++) {
    const clone = openSync('/dev/fuse', 'r+');
    const of = Uint32Array.of(fd);
    if (ioctl(clone, FUSE_DEV_IOC_CLONE, Number(koffi.address(of))) < 0)
      throw new Error(`clone: errno ${koffi.errno()}`);
    const worker = new Worker(new URL(import.meta.url), { workerData: { fd: clone, backing } });
    await new Promise((done) => worker.once('online', done));
  }
  serve(fd, backing);
} else serve(workerData.fd, workerData.backing);
