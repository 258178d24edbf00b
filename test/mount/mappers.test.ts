/**
 * Who still reaches the blocks of a lease through the backing file itself (leases.md section 7): real processes that map it,
 * keep a descriptor, fork, and hand descriptors through sockets while they are looked for.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FenceSubject } from '../../src/lease/ports.ts';
import { Processes } from '../../src/mount/processes.ts';
import { O } from '../../src/system/constants.ts';
import { soleOpener } from '../../src/system/descriptors.ts';
import { close, open } from '../../src/system/libc.ts';
import { mappedFile } from '../../src/system/process.ts';
import { ended, hasTool } from '../harness/index.ts';

const BLOCK = 4096;
/** Of the lease that is asked about: nobody, so that what is attributed to it is what nobody shows. */
const HOLDER = 999_999_999;
const SUBJECT: FenceSubject = {
  id: 1,
  ino: 5,
  offset: 0,
  end: 4 * BLOCK,
  pid: HOLDER,
  start: 1,
  reach: [{ start: 4, length: 4 }],
};

const PYTHON = `
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
path, block = sys.argv[1], 4096
def ready():
    print(os.getpid(), flush=True)
def descriptor():
    return os.open(path, os.O_RDWR)
def mapping(at):
    fd = descriptor()
    # Not the mmap of Python, which keeps a descriptor.
    libc.mmap(None, ctypes.c_size_t(4 * block), 3, 1, fd, ctypes.c_int64(at * block))
    os.close(fd)
`;

let folder = '';
let fd = -1;
let made: Processes[] = [];
let children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'layoutfs-mappers-'));
  writeFileSync(join(folder, 'backing'), Buffer.alloc(64 * BLOCK));
  fd = open(join(folder, 'backing'), O.RDWR);
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all([...children.map((child) => ended(child, 10_000)), ...made.map((each) => each.stop())]);
  [made, children] = [[], []];
  close(fd);
  rmSync(folder, { recursive: true });
});

/** `alone`: nothing of the daemon's own has the file open beside `fd`, so that the kernel can be believed. */
function processes(alone = true): Processes {
  const each = new Processes({
    backing: mappedFile(statSync(join(folder, 'backing'))),
    fd,
    blockSize: BLOCK,
    retireWindow: (_, done) => done(true),
    standAlone: () => alone,
    supervisor: undefined,
  });
  made.push(each);
  return each;
}

/** Runs until it is killed, or its end is waited for; resolves with the first line it says. */
async function python(script: string): Promise<{ child: ChildProcess; pid: number }> {
  const child = spawn('python3', ['-c', PYTHON + script, join(folder, 'backing')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const said = await new Promise<string>((resolve) => createInterface({ input: child.stdout! }).once('line', resolve));
  return { child, pid: Number(said) };
}

function reachedBy(look: Processes, isHolder: (pid: number) => boolean = () => false): Promise<number[]> {
  return new Promise((resolve, reject) => {
    look.mappers([SUBJECT], isHolder, (byLease) => {
      if (typeof byLease === 'number') reject(new Error(`errno ${byLease}`));
      else resolve((byLease.get(SUBJECT.id) ?? []).map(({ pid }) => pid));
    });
  });
}

const suite = hasTool('python3') ? describe : describe.skip;
suite(`who reaches the backing file${hasTool('python3') ? '' : ' (skipped: needs python3)'}`, () => {
  it('nobody, when nobody else has it open: the word of the kernel, without a look at /proc', async () => {
    expect(soleOpener(fd)).toBe(0);
    expect(await reachedBy(processes())).toEqual([]);
  });

  it('a process that maps the blocks, and not one that maps others', async () => {
    const look = processes();
    const inside = await python('mapping(4); ready(); time.sleep(60)');
    await python('mapping(16); ready(); time.sleep(60)');
    expect(await reachedBy(look)).toEqual([inside.pid]);
    inside.child.kill('SIGKILL');
    await ended(inside.child, 10_000);
    expect(await reachedBy(look)).toEqual([]);
  });

  it('a process that keeps a descriptor, unless it has a live lease of its own to use it for', async () => {
    const look = processes();
    const { pid, child } = await python('fd = descriptor(); ready(); time.sleep(60)');
    expect(await reachedBy(look)).toEqual([pid]);
    expect(await reachedBy(look, (each) => each === pid)).toEqual([]);
    child.kill('SIGKILL');
    await ended(child, 10_000);
    expect(await reachedBy(look)).toEqual([]);
  });

  it('somebody, while the only descriptor is on its way through a socket', async () => {
    const look = processes();
    const script = `
a, b = socket.socketpair()
fd = descriptor()
socket.send_fds(a, [b'x'], [fd])
os.close(fd)
ready()
sys.stdin.readline()
b.close(); a.close()
print('gone', flush=True)
time.sleep(60)
`;
    const { child } = await python(script);
    expect(await reachedBy(look)).toEqual([HOLDER]);
    // Nor is it forgotten where the kernel cannot be asked: the socket shows that something is on its way.
    expect(await reachedBy(processes(false))).toEqual([HOLDER]);
    const gone = new Promise((resolve) => child.stdout!.once('data', resolve));
    child.stdin!.write('\n');
    await gone;
    expect(await reachedBy(look)).toEqual([]);
  });

  it('somebody, while a descriptor goes to and fro between two processes', async () => {
    const look = processes();
    const script = `
a, b = socket.socketpair()
fd = descriptor()
if os.fork() == 0:
    a.close()
    os.close(fd)
    while True:
        try: fds = socket.recv_fds(b, 1, 1)[1]
        except OSError: fds = []
        if not fds: os._exit(0)
        socket.send_fds(b, [b'x'], fds); os.close(fds[0])
ready()
while True:
    socket.send_fds(a, [b'x'], [fd]); os.close(fd)
    fd = socket.recv_fds(a, 1, 1)[1][0]
`;
    await python(script);
    for (let i = 0; i < 5; i++) expect(await reachedBy(look), `look ${i}`).not.toEqual([]);
  });

  it.each([[true], [false]])(
    'somebody, while a mapping lives on from child to child; the kernel asked: %s',
    async (asked) => {
      const look = processes(asked);
      const script = `
mapping(4)
ready()
sys.stdout.close()
while True:
    if os.fork() != 0: os._exit(0)
    if os.getppid() == 0 or time.time() > ${Date.now() / 1000 + 40}: os._exit(0)
    if os.path.exists(path + '.stop'): os._exit(0)
`;
      await python(script);
      try {
        for (let i = 0; i < 2; i++) {
          const seen = await reachedBy(look).catch(() => ['not known']);
          expect(seen, `look ${i}`).not.toEqual([]);
        }
      } finally {
        writeFileSync(join(folder, 'backing.stop'), '');
      }
      // The chain has ended when the kernel says so.
      while (soleOpener(fd) !== 0) await new Promise((resolve) => setImmediate(resolve));
      expect(await reachedBy(look)).toEqual([]);
    },
    60_000,
  );
});
