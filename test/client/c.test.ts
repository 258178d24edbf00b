import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  IOCTL_EXTENT_STATES,
  IOCTL_STATES,
  IOCTLS,
  type IoctlName,
  ioctlRequest,
} from '../../src/control/ioctlStructs.ts';
import {
  check,
  checkout,
  describeMounted,
  ended,
  hasTool,
  type MountedVolume,
  mountVolume,
  until,
} from '../harness/index.ts';

const client = join(checkout, 'tools/client-c');
const programs = join(checkout, 'test/client/programs');
const STRICT = ['-Wall', '-Wextra', '-Wpedantic', '-Werror', `-I${client}`];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'layoutfs-c-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

async function build(name: string, ...sources: string[]): Promise<string> {
  const out = join(folder, name);
  await check('cc', ['-std=gnu11', ...STRICT, '-o', out, ...sources, '-lpthread']);
  return out;
}

describe.skipIf(!hasTool('cc'))('layoutfs.h and layoutfs.c', () => {
  it('compile as C99 and as C++17 without a warning', async () => {
    const header = join(client, 'layoutfs.h');
    await check('cc', ['-std=c99', ...STRICT, '-fsyntax-only', '-x', 'c', header]);
    for (const name of ['layoutfs.c', 'copy.c']) {
      const source = join(client, name);
      await check('cc', ['-std=c99', ...STRICT, '-O2', '-c', '-o', '/dev/null', source]);
      if (hasTool('c++'))
        await check('c++', ['-std=c++17', ...STRICT, '-O2', '-c', '-o', '/dev/null', '-x', 'c++', source]);
    }
    if (hasTool('c++')) await check('c++', ['-std=c++17', ...STRICT, '-fsyntax-only', '-x', 'c++', header]);
  });

  it('has the structs and numbers of the daemon, byte for byte', async () => {
    const names = Object.keys(IOCTLS) as IoctlName[];
    const lines = names.flatMap((name) => {
      const { name: type, fields, flags } = IOCTLS[name];
      return [
        `printf("${name} %zu %lu\\n", sizeof(struct ${type}), (unsigned long)LAYOUT_IOC_${name});`,
        ...fields.map((f) => `printf("${name}.${f.name} %zu\\n", offsetof(struct ${type}, ${f.name}));`),
        ...Object.keys(flags).map((flag) => `printf("${name}_${flag} %u\\n", LAYOUT_${name}_${flag});`),
      ];
    });
    const enums = [...IOCTL_EXTENT_STATES, ...IOCTL_STATES].map(
      (n) => `printf("${n} %d\\n", LAYOUT_${n.toUpperCase()});`,
    );
    const source = join(folder, 'structs.c');
    writeFileSync(
      source,
      `#include <stdio.h>\n#include "layoutfs.h"\nint main(void) {\n${lines.concat(enums).join('\n')}\n}\n`,
    );
    const stdout = await check(await build('structs', source), []);
    const expected = names.flatMap((name) => {
      const { size, fields, flags } = IOCTLS[name];
      return [
        `${name} ${size} ${ioctlRequest(name)}`,
        ...fields.map((f) => `${name}.${f.name} ${f.offset}`),
        ...Object.entries(flags).map(([flag, bit]) => `${name}_${flag} ${bit}`),
      ];
    });
    const numbers = [...IOCTL_EXTENT_STATES.map((n, i) => `${n} ${i}`), ...IOCTL_STATES.map((n, i) => `${n} ${i}`)];
    expect(stdout.trim().split('\n')).toEqual([...expected, ...numbers]);
  });
});

describeMounted('the C client', ['cc'], () => {
  let volume: MountedVolume;

  beforeAll(async () => {
    volume = await mountVolume({ deadline: 120_000 });
  });

  afterAll(() => volume?.dispose());

  it('speaks ioctl(2) on a data file and on ctl', { timeout: 30_000 }, async () => {
    const program = await build('ioctl', join(programs, 'ioctl.c'));
    await volume.bash('truncate -s 1M ioctl');
    const { stdout, stderr } = await volume.run(program, ['ioctl', '.layout/ctl']);
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      'get-hole ENXIO',
      'prepare ok',
      'size=1048576 extents=1 changed=1',
      'get ok',
      'state=2 seq=1 token=1',
      'map ok',
      'count=1 state=2 length=1048576 flags=0',
      'commit ok',
      'status ok',
      'mine=1 kind=2 state=2 leases=1 deadline=-1 handle=1',
      'ctl-status ok',
      'return-stale ESTALE',
      'return ok',
      'state=8',
      'return-again ENOENT',
      'seal ok',
      'append ETXTBSY',
      'unseal ok',
      'get-bound ok',
      'status-dup ok',
      'leases=1',
      'leases=0',
      'newer ok',
      'newer-used E2BIG',
      'older ok',
      'lie EINVAL',
      'unknown ENOTTY',
    ]);
  });

  it('keeps a session: threads, fork, a recall callback, a mapping', { timeout: 30_000 }, async () => {
    const program = await build('session', join(programs, 'session.c'), join(client, 'layoutfs.c'));
    await volume.bash('head -c 1M /dev/zero > file; sync file');
    const holder = volume.start(program, [volume.dir]);
    let out = '';
    holder.stdout?.on('data', (part: Buffer) => (out += part));
    const end = ended(holder, 20_000);
    await until('ready', 20_000, () => out.includes('ready') || holder.exitCode !== null);
    expect(await volume.bash('dd if=file bs=1 skip=100 count=6 status=none')).toBe('from C');
    await volume.bash(`python3 -c 'import os; os.truncate("file", 0)'`);
    expect(await end).toBe(0);
    expect(out.trim().split('\n')).toEqual([
      'missing ENOENT 1',
      ...Array<string>(4).fill('thread 0'),
      'child 0',
      'ready',
      'recall mine=1 breaker=1 deadline=1',
    ]);
  });

  it('maps several extents at one range of addresses, keeps it from children, and polls for events', {
    timeout: 30_000,
  }, async () => {
    const program = await build('pieces', join(programs, 'pieces.c'), join(client, 'layoutfs.c'));
    await volume.bash(`python3 -c '
import os
f, other = (os.open(name, os.O_RDWR | os.O_CREAT) for name in ("pi \\"e\\\\ces", "between"))
for at in range(0, 1 << 20, 65536):
    os.pwrite(f, b"".join(bytes([97 + p // 4096 % 26]) * 4096 for p in range(at, at + 65536, 4096)), at); os.fsync(f)
    os.pwrite(other, bytes(65536), at); os.fsync(other)'`);
    const { stdout, stderr, code } = await volume.run(program, ['.', '/pi "e\\ces']);
    expect(stderr + String(code)).toBe('0');
    const lines = stdout.trim().split('\n');
    expect(Number(lines[0]?.split(' ')[1])).toBeGreaterThan(1);
    expect(lines.slice(1)).toEqual([
      'length 1048576 1048576 wrong 0 0',
      'child SIGSEGV 1 inherited 0',
      'part 16384 c',
      'seen !',
      'outside -1 EINVAL: a range is outside of the lease',
      'quiet 0',
      'conflict -1 EAGAIN',
      'ready 1',
      'event 1 recall mine 1',
      'quiet 0',
      'none -1 ENOENT',
    ]);
  });

  it('is one session for many threads; a callback may answer for them, and close it', { timeout: 40_000 }, async () => {
    const program = await build('threads', join(programs, 'threads.c'), join(client, 'layoutfs.c'));
    await volume.bash('for i in 0 1 2 3 4 5 6 7; do head -c 64k /dev/zero > t$i; done; cp t0 kept; sync t? kept');
    await volume.bash('echo "prepare path=/kept" > .layout/ctl');
    const { stdout, stderr, code } = await volume.run(program, ['.', '16']);
    expect(stderr + String(code)).toBe('0');
    expect(stdout.trim().split('\n')).toEqual([
      'watched twice -1 EBUSY',
      ...Array<string>(8).fill('thread 0'),
      'wanted 0 recalled 1',
      'closed by its callback',
    ]);
    expect(await volume.bash('for i in 0 7; do tr -d "AH" < t$i | wc -c; done')).toBe('0\n0\n');
  });

  it('a lease of an open file goes with it: SCM_RIGHTS, fork, a mapping', { timeout: 30_000 }, async () => {
    const program = await build('passing', join(programs, 'passing.c'));
    await volume.bash('head -c 1M /dev/zero > passed; sync passed');
    const { stdout, stderr } = await volume.run(program, ['passed']);
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      'leased 1 append=ETXTBSY',
      'passed 0 mine=1',
      'closed here 1 append=ETXTBSY',
      'over 0 append=0',
    ]);
    expect(await volume.bash('head -c 17 passed')).toBe('kept by a mapping');
  });

  it('gets SIGBUS in every thread that touches a revoked mapping, at that address', { timeout: 30_000 }, async () => {
    const program = await build('sigbus', join(programs, 'sigbus.c'), join(client, 'layoutfs.c'));
    await volume.bash('head -c 1M /dev/zero > bus; sync bus');
    const holder = volume.start(program, [volume.dir]);
    let out = '';
    holder.stdout?.on('data', (part: Buffer) => (out += part));
    const end = ended(holder, 20_000);
    await until('leased', 20_000, () => out.includes('lease ') || holder.exitCode !== null);
    const id = /lease (\d+)/.exec(out)?.[1];
    await volume.bash(`echo "revoke id=${id} reason=test" > .layout/ctl; echo "expire id=${id}" > .layout/ctl`);
    expect(await end).toBe(0);
    expect(out.trim().split('\n').slice(1)).toEqual(['SIGBUS 1', 'SIGBUS 1', 'SIGBUS 1', 'event revoked', 'return -1']);
  });

  it('finds a control directory of another name', { timeout: 30_000 }, async () => {
    const program = await build('session', join(programs, 'session.c'), join(client, 'layoutfs.c'));
    await using renamed = await mountVolume({ options: 'ctl=.leases', deadline: 30_000 });
    await renamed.bash('head -c 1M /dev/zero > file; sync file');
    expect((await renamed.run(program, ['.'])).code).toBe(1);
    const holder = renamed.start(program, [renamed.dir, '.leases']);
    let out = '';
    holder.stdout?.on('data', (part: Buffer) => (out += part));
    await until('ready', 20_000, () => out.includes('ready') || holder.exitCode !== null);
    expect(out).toContain('ready');
    holder.kill('SIGKILL');
  });

  it('copies a file through a direct mapping, and through recalls', { timeout: 40_000 }, async () => {
    const copy = await build('copy', join(client, 'copy.c'), join(client, 'layoutfs.c'));
    await volume.bash('head -c 200M /dev/urandom > "$ROOT/source"');
    const copier = volume.start(copy, [join(volume.root, 'source'), volume.dir, 'copied']);
    let errors = '';
    copier.stderr?.on('data', (part: Buffer) => (errors += part));
    const end = ended(copier, 30_000);
    // An exclusive lease recalls it; broken again and again while it copies.
    for (let i = 0; i < 200 && copier.exitCode === null && !errors.includes('recalled'); i++) {
      await volume.run('sh', ['-c', 'echo "break path=/copied" > .layout/ctl']);
    }
    expect(await end).toBe(0);
    expect(errors).toMatch(/^(copy: recalled by process \d+\n)+$/);
    await volume.bash('cmp "$ROOT/source" copied');
    expect((await volume.bash('grep copied .layout/leases || true')).trim()).toBe('');
  });
});
