/**
 * The system calls that Node does not offer, or offers too slowly, through koffi.
 *
 * Every call returns a number; a negative one is -errno. Memory is passed as a numeric address (`addressOf`), which
 * koffi takes fastest (about 0.2 µs above the call itself); the caller keeps the buffer alive. File offsets and
 * lengths are bytes, below 2^53.
 */
import fs from 'node:fs';
import koffi from 'koffi';
import type { Timespec } from './clock.ts';
import { F, LOCKTYPE, O, SOCK } from './constants.ts';

const libc = koffi.load(null);
const errno = koffi.errno;

type Native = ((...args: never[]) => number) & { async: (...args: unknown[]) => void };

/** A function of libc whose failure is -1 with errno, typed by its caller. */
function bind<T extends (...args: never[]) => number>(name: string, result: string, args: string[]): T & Native {
  return libc.func(name, result, args) as unknown as T & Native;
}

const P = 'uintptr_t';
const L = 'int64_t';
const cRead = bind<(fd: number, addr: number, n: number) => number>('read', L, ['int', P, 'size_t']);
const cWrite = bind<(fd: number, addr: number, n: number) => number>('write', L, ['int', P, 'size_t']);
const cPread = bind<(fd: number, a: number, n: number, o: number) => number>('pread', L, ['int', P, 'size_t', L]);
const cPwrite = bind<(fd: number, a: number, n: number, o: number) => number>('pwrite', L, ['int', P, 'size_t', L]);
const cOpen = bind<(path: string, flags: number, mode: number) => number>('open', 'int', ['str', 'int', 'uint32_t']);
const cClose = bind<(fd: number) => number>('close', 'int', ['int']);
const cExit = bind<(code: number) => number>('_exit', 'void', ['int']);
const cFsync = bind<(fd: number) => number>('fsync', 'int', ['int']);
const cFdatasync = bind<(fd: number) => number>('fdatasync', 'int', ['int']);
const cFallocate = bind<(fd: number, mode: number, off: number, len: number) => number>('fallocate', 'int', [
  'int',
  'int',
  L,
  L,
]);
const cFtruncate = bind<(fd: number, len: number) => number>('ftruncate', 'int', ['int', L]);
const cCopyFileRange = bind<
  (fdIn: number, offIn: number, fdOut: number, offOut: number, n: number, flags: number) => number
>('copy_file_range', L, ['int', P, 'int', P, 'size_t', 'uint32_t']);
const cLseek = bind<(fd: number, off: number, whence: number) => number>('lseek', L, ['int', L, 'int']);
const cPoll = bind<(fds: number, count: number, timeoutMs: number) => number>('poll', 'int', [P, 'uint64_t', 'int']);
const cMount = bind<(src: string, dir: string, type: string | null, flags: number, data: string | null) => number>(
  'mount',
  'int',
  ['str', 'str', 'str', 'uint64_t', 'str'],
);
const cUmount2 = bind<(dir: string, flags: number) => number>('umount2', 'int', ['str', 'int']);
const cIoctl = bind<(fd: number, request: number, addr: number) => number>('ioctl', 'int', ['int', 'uint64_t', P]);
const cFcntl = bind<(fd: number, command: number, arg: number) => number>('fcntl', 'int', ['int', 'int', P]);
const cMmap = bind<(addr: number, n: number, prot: number, flags: number, fd: number, off: number) => number>(
  'mmap',
  L,
  [P, 'size_t', 'int', 'int', 'int', L],
);
const cMunmap = bind<(addr: number, n: number) => number>('munmap', 'int', [P, 'size_t']);
const cMsync = bind<(addr: number, n: number, flags: number) => number>('msync', 'int', [P, 'size_t', 'int']);
const cFlock = bind<(fd: number, operation: number) => number>('flock', 'int', ['int', 'int']);
const cKill = bind<(pid: number, signal: number) => number>('kill', 'int', ['int', 'int']);
const cPrctl = bind<(option: number, a: number, b: number, c: number, d: number) => number>('prctl', 'int', [
  'int',
  'uint64_t',
  'uint64_t',
  'uint64_t',
  'uint64_t',
]);
/** syscall(2), for calls that older C libraries have no function for. */
const cSyscall = bind<(number: number, a: number, b: number, c: number, d: number) => number>('syscall', L, [
  L,
  L,
  L,
  L,
  L,
]);
const cSocketpair = bind<(domain: number, type: number, protocol: number, addr: number) => number>(
  'socketpair',
  'int',
  ['int', 'int', 'int', P],
);
const cPipe2 = bind<(addr: number, flags: number) => number>('pipe2', 'int', [P, 'int']);
const cEventfd = bind<(initial: number, flags: number) => number>('eventfd', 'int', ['uint32_t', 'int']);
const cMemfd = bind<(name: string, flags: number) => number>('memfd_create', 'int', ['str', 'unsigned int']);
const cShutdown = bind<(fd: number, how: number) => number>('shutdown', 'int', ['int', 'int']);
const cSendmsg = bind<(fd: number, addr: number, flags: number) => number>('sendmsg', L, ['int', P, 'int']);
const cRecvmsg = bind<(fd: number, addr: number, flags: number) => number>('recvmsg', L, ['int', P, 'int']);
const cClockGettime = bind<(id: number, addr: number) => number>('clock_gettime', 'int', ['int', P]);

/** -errno of the call that just returned -1. */
function failure(): number {
  return -errno();
}

/** Address of the first byte of a buffer; valid as long as the buffer lives (array buffers do not move). */
export function addressOf(buffer: Uint8Array): number {
  return Number(koffi.address(buffer));
}

/** `n` bytes at an address (for instance mmap'ed memory) as a Buffer without a copy. */
export function bufferAt(addr: number, n: number): Buffer {
  return Buffer.from(koffi.view(BigInt(addr), n));
}

export function read(fd: number, addr: number, n: number): number {
  const r = cRead(fd, addr, n);
  return r < 0 ? -errno() : r;
}

export function write(fd: number, addr: number, n: number): number {
  const r = cWrite(fd, addr, n);
  return r < 0 ? -errno() : r;
}

export function pread(fd: number, addr: number, n: number, offset: number): number {
  const r = cPread(fd, addr, n, offset);
  return r < 0 ? -errno() : r;
}

export function pwrite(fd: number, addr: number, n: number, offset: number): number {
  const r = cPwrite(fd, addr, n, offset);
  return r < 0 ? -errno() : r;
}

/** Flags are those of `O`; O_CLOEXEC is always added. */
export function open(path: string, flags: number, mode = 0): number {
  const r = cOpen(path, flags | O.CLOEXEC, mode);
  return r < 0 ? failure() : r;
}

export function close(fd: number): number {
  return cClose(fd) < 0 ? failure() : 0;
}

export function fsync(fd: number): number {
  return cFsync(fd) < 0 ? failure() : 0;
}

export function fdatasync(fd: number): number {
  return cFdatasync(fd) < 0 ? failure() : 0;
}

/**
 * fdatasync(2) on the thread pool of libuv; resolves with 0 or -errno. It goes through Node and not through koffi,
 * whose asynchronous calls lose the errno of the pool's thread.
 */
export function fdatasyncAsync(fd: number): Promise<number> {
  return new Promise((resolve) => fs.fdatasync(fd, (error) => resolve(error ? (error.errno ?? -5) : 0)));
}

/** `mode`: bits of `FALLOC`. */
export function fallocate(fd: number, mode: number, offset: number, length: number): number {
  return cFallocate(fd, mode, offset, length) < 0 ? failure() : 0;
}

export function ftruncate(fd: number, length: number): number {
  return cFtruncate(fd, length) < 0 ? failure() : 0;
}

const copyOffsets = new BigInt64Array(2);
const copyOffsetsAt = addressOf(new Uint8Array(copyOffsets.buffer));

/** Bytes copied (0 at the end of the source) or -errno; the file positions of the descriptors do not move. */
export function copy_file_range(fdIn: number, offIn: number, fdOut: number, offOut: number, length: number): number {
  copyOffsets[0] = BigInt(offIn);
  copyOffsets[1] = BigInt(offOut);
  const r = cCopyFileRange(fdIn, copyOffsetsAt, fdOut, copyOffsetsAt + 8, length, 0);
  return r < 0 ? failure() : r;
}

/** New position or -errno; `whence` of `SEEK`. */
export function lseek(fd: number, offset: number, whence: number): number {
  const r = cLseek(fd, offset, whence);
  return r < 0 ? failure() : r;
}

const pollSet = Buffer.alloc(8);
const pollSetAt = addressOf(pollSet);

/** poll(2) of one descriptor: the events that came (bits of `POLL`), 0 after the timeout (ms; -1 none), or -errno. */
export function poll1(fd: number, events: number, timeoutMs: number): number {
  pollSet.writeInt32LE(fd, 0);
  pollSet.writeInt32LE(events, 4); // events, and revents cleared
  const r = cPoll(pollSetAt, 1, timeoutMs);
  if (r < 0) return -errno();
  return r === 0 ? 0 : pollSet.readUInt16LE(6);
}

/**
 * poll(2) of `count` struct pollfd at `addr`, on a thread of libuv's pool, which it occupies until it ends: the number of
 * ready ones, 0 after the timeout. The set must stay alive till then. The
 * errno of a failure is lost: resolves with -EINTR, the only one poll(2) has in practice; callers just go round.
 */
export function pollManyAsync(addr: number, count: number, timeoutMs: number): Promise<number> {
  return new Promise((resolve) => {
    cPoll.async(addr, count, timeoutMs, (error: unknown, r: number) => resolve(error || r < 0 ? -4 : r));
  });
}

/** `poll1` on the thread pool. */
export async function pollAsync(fd: number, events: number, timeoutMs: number): Promise<number> {
  const set = Buffer.alloc(8);
  set.writeInt32LE(fd, 0);
  set.writeInt32LE(events, 4);
  const r = await pollManyAsync(addressOf(set), 1, timeoutMs);
  return r > 0 ? set.readUInt16LE(6) : r;
}

/** mount(2); `flags` of `MS`. */
export function mount(source: string, dir: string, type: string, flags: number, data: string): number {
  return cMount(source, dir, type, flags, data) < 0 ? failure() : 0;
}

/** umount2(2); `flags` of `MNT`. */
export function umount2(dir: string, flags: number): number {
  return cUmount2(dir, flags) < 0 ? failure() : 0;
}

/** ioctl(2) whose argument is an address. */
export function ioctlPtr(fd: number, request: number, addr: number): number {
  const r = cIoctl(fd, request, addr);
  return r < 0 ? failure() : r;
}

/** fcntl(2) with an integer (or an address) as argument. */
export function fcntl(fd: number, command: number, arg: number): number {
  const r = cFcntl(fd, command, arg);
  return r < 0 ? failure() : r;
}

/** A duplicate, close-on-exec, of the same open file. */
export function dup(fd: number): number {
  return fcntl(fd, F.DUPFD_CLOEXEC, 0);
}

/** Address of the mapping or -errno; `fd` -1 for anonymous memory. */
export function mmap(addr: number, length: number, prot: number, flags: number, fd: number, offset: number): number {
  const r = cMmap(addr, length, prot, flags, fd, offset);
  return r === -1 ? failure() : r;
}

export function munmap(addr: number, length: number): number {
  return cMunmap(addr, length) < 0 ? failure() : 0;
}

/** `flags` of `MSYNC`. */
export function msync(addr: number, length: number, flags: number): number {
  return cMsync(addr, length, flags) < 0 ? failure() : 0;
}

/** flock(2); `operation` of `LOCK`. */
export function flock(fd: number, operation: number): number {
  return cFlock(fd, operation) < 0 ? failure() : 0;
}

/**
 * Open-file-description lock (fcntl F_OFD_SETLK), never waiting: 0, or -EAGAIN when somebody else has it.
 * `type` of `LOCKTYPE`; `length` 0 is "to any end".
 */
export function ofdLock(fd: number, type: number, start = 0, length = 0): number {
  return fcntl(fd, F.OFD_SETLK, lockStruct(type, start, length));
}

/** Whether `ofdLock` of that type would succeed: 0 yes, 1 no, or -errno. */
export function ofdLockTest(fd: number, type: number, start = 0, length = 0): number {
  const r = fcntl(fd, F.OFD_GETLK, lockStruct(type, start, length));
  if (r < 0) return r;
  return lock.readInt16LE(0) === LOCKTYPE.UNLOCK ? 0 : 1;
}

const lock = Buffer.alloc(32); // struct flock: short type, whence; long start, length; int pid (0 for OFD locks)
const lockAt = addressOf(lock);

function lockStruct(type: number, start: number, length: number): number {
  lock.fill(0);
  lock.writeInt16LE(type, 0);
  lock.writeBigInt64LE(BigInt(start), 8);
  lock.writeBigInt64LE(BigInt(length), 16);
  return lockAt;
}

/** prctl(2) PR_SET_IO_FLUSHER: this thread writes pages back; needs CAP_SYS_RESOURCE. Not inherited by children. */
export function setIoFlusher(): number {
  const PR_SET_IO_FLUSHER = 57;
  const r = cPrctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
  return r < 0 ? -errno() : r;
}

/** Numbers of pidfd_send_signal(2) and pidfd_open(2), the same on every architecture. */
const SYS = { PIDFD_SEND_SIGNAL: 424, PIDFD_OPEN: 434 } as const;

/** pidfd_open(2): a descriptor that names this very process, whatever becomes of its number. */
export function pidfdOpen(pid: number): number {
  const r = cSyscall(SYS.PIDFD_OPEN, pid, 0, 0, 0);
  return r < 0 ? -errno() : r;
}

/** pidfd_send_signal(2). */
export function pidfdSendSignal(pidfd: number, signal: number): number {
  const r = cSyscall(SYS.PIDFD_SEND_SIGNAL, pidfd, signal, 0, 0);
  return r < 0 ? -errno() : r;
}

/** kill(2); signal 0 only asks whether the process is there and ours to signal. */
export function kill(pid: number, signal: number): number {
  return cKill(pid, signal) < 0 ? failure() : 0;
}

const pair = Buffer.alloc(8);
const pairAt = addressOf(pair);

/** A connected pair of local sockets, close-on-exec; `type` of `SOCK` (with NONBLOCK if wanted). */
export function socketpair(type: number): [number, number] | number {
  if (cSocketpair(1, type | SOCK.CLOEXEC, 0, pairAt) < 0) return failure();
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

/** A pipe (read end, write end), close-on-exec; `flags` of `O`. */
export function pipe2(flags: number): [number, number] | number {
  if (cPipe2(pairAt, flags | O.CLOEXEC) < 0) return failure();
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

/** An eventfd(2), close-on-exec and non-blocking. */
export function eventfd(): number {
  const r = cEventfd(0, O.CLOEXEC | O.NONBLOCK);
  return r < 0 ? failure() : r;
}

/** Ends a socket in both directions, whoever else has descriptors of it: 0 or -errno. */
export function shutdown(socket: number): number {
  return cShutdown(socket, 2) < 0 ? failure() : 0;
}

/** One message of one or more bytes with one descriptor over a local socket: bytes sent or -errno. */
export function sendFd(socket: number, bytes: Uint8Array, fd: number): number {
  const m = message(bytes);
  m.control.writeBigUInt64LE(20n, 0); // cmsg_len: header of 16 and one int
  m.control.writeInt32LE(1, 8); // SOL_SOCKET
  m.control.writeInt32LE(1, 12); // SCM_RIGHTS
  m.control.writeInt32LE(fd, 16);
  const r = cSendmsg(socket, m.at, 0x4000 /* MSG_NOSIGNAL */);
  return r < 0 ? failure() : r;
}

/**
 * Receives what `sendFd` or fusermount3 sent, into `bytes`. `length` is the number of bytes or -errno; `fd` is the
 * descriptor (close-on-exec) or -1 when none came.
 */
export function recvFd(socket: number, bytes: Uint8Array): { length: number; fd: number } {
  const m = message(bytes);
  const r = cRecvmsg(socket, m.at, 0x40000000 /* MSG_CMSG_CLOEXEC */);
  if (r < 0) return { length: failure(), fd: -1 };
  const came = m.header.readBigUInt64LE(40) >= 20n && m.control.readInt32LE(12) === 1;
  return { length: r, fd: came ? m.control.readInt32LE(16) : -1 };
}

/** struct msghdr with one iovec over `bytes` and room for one descriptor. */
function message(bytes: Uint8Array): { header: Buffer; control: Buffer; iov: Buffer; at: number } {
  const header = Buffer.alloc(56);
  const control = Buffer.alloc(24);
  const iov = Buffer.alloc(16);
  iov.writeBigUInt64LE(BigInt(addressOf(bytes)), 0);
  iov.writeBigUInt64LE(BigInt(bytes.length), 8);
  header.writeBigUInt64LE(BigInt(addressOf(iov)), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(BigInt(addressOf(control)), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  return { header, control, iov, at: addressOf(header) };
}

const timespec = new Int32Array(4); // 64-bit seconds, 64-bit nanoseconds
const timespecAt = addressOf(new Uint8Array(timespec.buffer));

/** CLOCK_REALTIME into `out`, to the nanosecond, without garbage (about 0.2 µs). */
export function clockRealtime(out: Timespec): void {
  cClockGettime(0, timespecAt);
  out.seconds = timespec[1] * 4294967296 + (timespec[0] >>> 0);
  out.nanoseconds = timespec[2];
}

/** memfd_create(2): an anonymous file in memory, close-on-exec; lives as long as somebody has it open. */
export function memfdCreate(name: string): number {
  const r = cMemfd(name, 1);
  return r < 0 ? -errno() : r;
}

/** Ends the process at once: exit(3), and process.exit with it, waits for calls that libuv's threads are in. */
export function exitNow(code: number): void {
  cExit(code);
}
