import { afterAll, beforeAll, expect, it } from 'vitest';
import { bash, describeMounted, layoutfs, type MountedVolume, mountVolume } from '../harness/index.ts';
import { runPython } from './python.ts';

describeMounted('windows', ['python3'], () => {
  let volume: MountedVolume;
  const python = (script: string): Promise<string[]> => runPython(volume, script);

  beforeAll(async () => {
    volume = await mountVolume({ deadline: 90_000 });
    await volume.bash('chmod 755 .; chmod 755 "$ROOT"; head -c 1M /dev/zero | tr "\\0" z > file; sync file');
  });

  afterAll(() => volume?.dispose());

  it('show the leased range at file offsets, and nothing else', async () => {
    const lines = await python(`
s = session()
l = lease(ask(s, 'get path=/file range=64k-128k'))
w = os.open(f'.layout/lease/{l}', os.O_RDWR)
attempt('inside', lambda: os.pread(w, 4, 65536))
attempt('before', lambda: os.pread(w, 4, 0))
attempt('behind', lambda: os.pread(w, 4, 131072))
attempt('store', lambda: os.pwrite(w, b'ABCD', 65536))
attempt('store before', lambda: os.pwrite(w, b'ABCD', 0))
attempt('store across', lambda: os.pwrite(w, b'ABCD', 131070))
attempt('truncate', lambda: os.ftruncate(w, 0))
print(read('file', 5, 65535), os.fstat(w).st_size)
attempt('returned', lambda: ask(s, f'return id={l}')[:2])
attempt('read after', lambda: os.pread(w, 4, 65536))
attempt('store after', lambda: os.pwrite(w, b'ABCD', 65536))
attempt('open after', lambda: os.open(f'.layout/lease/{l}', os.O_RDONLY))
`);
    expect(lines).toEqual([
      "inside b'zzzz'",
      'before ENXIO',
      'behind ENXIO',
      'store 4',
      'store before ENXIO',
      'store across ENXIO',
      'truncate EDEADLK',
      "b'zABCD' 131072",
      'returned ok',
      'read after EIO',
      'store after EIO',
      'open after ENOENT',
    ]);
  });

  it('of a lease that was split show each part for as long as that part is leased', async () => {
    const lines = await python(`
s = session()
l = lease(ask(s, 'get path=/file range=0-128k'))
w = os.open(f'.layout/lease/{l}', os.O_RDWR)
m = mmap.mmap(w, 131072)
m[0], m[98304]
rest = int(re.search(r'rest=(\\d+)', ask(s, f'return id={l} range=32k-64k'))[1])
def parts(): return [name(e) if (e := failure(at)) else 'ok' for at in (0, 32768, 98304)]
def failure(at):
    try: os.pread(w, 4, at), os.pwrite(w, b'yyyy', at)
    except OSError as e: return e
print(parts())
print(ask(s, f'return id={rest}')[:2], parts())
if os.fork() == 0: m[98304]
print(signal.Signals(os.WTERMSIG(os.wait()[1])).name, m[0])
l2 = lease(ask(s, 'get path=/file range=256k-384k'))
v = os.open(f'.layout/lease/{l2}', os.O_RDWR)
rest = int(re.search(r'rest=(\\d+)', ask(s, f'return id={l2} range=288k-320k'))[1])
print(ask(s, f'return id={l2}')[:2])
attempt('the other part', lambda: os.pread(v, 4, 344064))
attempt('its own', lambda: os.pread(v, 4, 262144))
`);
    expect(lines).toEqual([
      "['ok', 'EIO', 'ok']",
      "ok ['ok', 'EIO', 'EIO']",
      'SIGBUS 121',
      'ok',
      "the other part b'zzzz'",
      'its own EIO',
    ]);
  });

  it('keep all views of a block equal: file, guarded window and device window, mapped or not', async () => {
    const lines = await python(`
before = os.open('file', os.O_RDWR)
mapped_before = mmap.mmap(before, 4096)
mapped_before[0]
s = session()
l = lease(ask(s, 'get path=/file'))
device = int(re.search(r'device=(\\d+)', ask(s, f'map id={l}'))[1])
d = os.open(f'.layout/device/{l}', os.O_RDWR)
md = mmap.mmap(d, 4096, offset=device)
g = os.open(f'.layout/lease/{l}', os.O_RDWR)
mg = mmap.mmap(g, 4096)
mg[0]
during = os.open('file', os.O_RDWR)
md[0:4] = b'dev1'
print('device mapping', os.pread(during, 4, 0), os.pread(g, 4, 0))
assert ask(s, f'commit id={l} range=0-4k').startswith('ok')
print('committed', os.pread(before, 4, 0), mapped_before[0:4], mg[0:4])
os.pwrite(g, b'gua2', 0)
time.sleep(0.1)
print('window write', md[0:4], os.pread(during, 4, 0), mapped_before[0:4], mg[0:4])
os.pwrite(during, b'fil5', 0)
time.sleep(0.1)
print('file write', md[0:4], os.pread(g, 4, 0), mg[0:4])
mg[0:4] = b'map3'
assert ask(s, f'commit id={l} range=0-4k').startswith('ok')
print('window mapping', md[0:4], os.pread(during, 4, 0), os.pread(before, 4, 0), mapped_before[0:4])
mg[0:4] = b'ret4'
assert ask(s, f'return id={l}').startswith('ok')
print('returned', os.pread(before, 4, 0), mapped_before[0:4], read('file', 4))
`);
    expect(lines).toEqual([
      "device mapping b'dev1' b'dev1'",
      "committed b'dev1' b'dev1' b'dev1'",
      "window write b'gua2' b'gua2' b'gua2' b'gua2'",
      "file write b'fil5' b'fil5' b'fil5'",
      "window mapping b'map3' b'map3' b'map3' b'map3'",
      "returned b'ret4' b'ret4' b'ret4'",
    ]);
  });

  it('refuse a revoked holder: EIO, and SIGBUS for a mapping, with clean and with dirty pages', async () => {
    const lines = await python(`
for kind in ('clean', 'dirty'):
    s = session()
    l = lease(ask(s, 'get path=/file'))
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        g = os.open(f'.layout/lease/{l}', os.O_RDWR)
        m = mmap.mmap(g, 1 << 20)
        sum(m[0:1 << 20:4096])
        if kind == 'dirty': m[8192:8196] = kind.encode()[:4]
        os.write(w, b'x')
        while True: m[4096]
    os.read(r, 1)
    print(kind, 'revoke', ask(s, f'revoke id={l} reason=test')[:2], ask(s, f'expire id={l}')[:2])
    deadline = time.time() + 5
    status = (0, 0)
    while status[0] == 0 and time.time() < deadline: status = os.waitpid(child, os.WNOHANG)
    print(kind, signal.Signals(os.WTERMSIG(status[1])).name if status[0] else 'lives')
    if not status[0]: os.kill(child, 9); os.waitpid(child, 0)
    print(kind, read('file', 4, 8192))
    os.close(s)
`);
    expect(lines).toEqual([
      'clean revoke ok ok',
      'clean SIGBUS',
      "clean b'zzzz'",
      'dirty revoke ok ok',
      'dirty SIGBUS',
      "dirty b'dirt'",
    ]);
  });

  it('lease by opening under .layout/direct, as long as descriptors and mappings live', async () => {
    await volume.bash('mkdir -p a/b; dd if=file of=a/b/data status=none; sync a/b/data; truncate -s 1M a/b/hole');
    const lines = await python(`
attempt('hole', lambda: os.open('.layout/direct/a/b/hole', os.O_RDWR))
f = os.open('.layout/direct/a/b/data', os.O_RDWR)
m = mmap.mmap(f, 4096)
def leases(): return [line.split()[2] + ' ' + line.split()[-1] for line in open('.layout/leases').read().splitlines() if line.endswith('data')]
print(leases())
sys.stdout.flush()
def append(): return os.pwrite(os.open('a/b/data', os.O_WRONLY), b'x', 1 << 20)
attempt('own append', append); sys.stdout.flush()
if os.fork() == 0:
    attempt('append', append)
    sys.stdout.flush(); os._exit(0)
os.wait()
m[0:2] = b'hi'
m.flush()
print(read('a/b/data', 2))
attempt('grow', lambda: os.pwrite(f, b'x', 1 << 20))
attempt('truncating open', lambda: os.open('.layout/direct/a/b/data', os.O_RDWR | os.O_TRUNC))
os.close(f)
print(leases())
m.close()
for i in range(100):
    if not leases(): break
    time.sleep(0.02)
print(leases())
print(sorted(os.listdir('.layout/direct/a/b')), os.stat('.layout/direct/a/b/data').st_size)
`);
    expect(lines).toEqual([
      'hole ENXIO',
      "['direct /a/b/data']",
      'own append EDEADLK',
      'append ETXTBSY',
      "b'hi'",
      'grow EDEADLK',
      'truncating open EDEADLK',
      "['direct /a/b/data']",
      '[]',
      "['data', 'hole'] 1048576",
    ]);
  });

  it('are known to the kernel no longer than their lease: only then can it say that nobody reaches the device', async () => {
    const lines = await python(`
def known(): return int(re.search(r'^layoutfs_device_windows (\\d+)', open('.layout/stats').read(), re.M)[1])
s = session()
l = lease(ask(s, 'get path=/file'))
d = os.open(f'.layout/device/{l}', os.O_RDWR)
print('open', known())
os.close(d)
print('returned', ask(s, f'return id={l}')[:2])
while known(): time.sleep(0.01)
print('known', known())
`);
    expect(lines).toEqual(['open 1', 'returned ok', 'known 0']);
  });

  it('give an ordinary user what his rights allow, and no more', async () => {
    await volume.bash(
      'mkdir secret; dd if=file of=secret/file status=none; chmod 700 secret; dd if=file of=mine status=none; chown 1234:1234 mine; dd if=file of=shared status=none; chmod 644 shared; sync mine shared secret/file',
    );
    const root = await python(`
s = session()
l = lease(ask(s, 'get path=/secret/file'))
if os.fork() == 0:
    os.setgid(1234); os.setuid(1234)
    s = session()
    print('secret', ask(s, 'get path=/secret/file').split()[:3])
    print('inode', ask(s, 'get ino=1').split()[0])
    print('others', ask(s, 'get path=/shared kind=layout').split()[0])
    print('break', ask(s, 'break path=/shared').split()[0])
    print('list', ask(s, 'ls'), 'secret' in open('.layout/leases').read())
    print('revoke', ask(s, f'revoke id={l}').split()[0], ask(s, f'return id={l}').split()[0], ask(s, f'map id={l}').split()[0])
    attempt('window', lambda: os.open(f'.layout/lease/{l}', os.O_RDONLY))
    mine = lease(ask(s, 'get path=/mine'))
    attempt('my window', lambda: os.pread(os.open(f'.layout/lease/{mine}', os.O_RDWR), 2, 8))
    attempt('my device', lambda: os.open(f'.layout/device/{mine}', os.O_RDONLY))
    print('unbreakable', ask(s, 'get path=/mine unbreakable').split()[0])
    print('seal', ask(s, 'seal path=/mine').split()[0], ask(s, 'drain range=0-1g').split()[0], ask(s, 'quarantine action=release').split()[0])
    attempt('direct', lambda: os.open('.layout/direct/secret/file', os.O_RDONLY))
    sys.stdout.flush(); os._exit(0)
os.wait()
`);
    expect(root).toEqual([
      "secret ['EACCES', 'err', 'EACCES']",
      'inode EPERM',
      'others EACCES',
      'break EACCES',
      'list ok count=0 next=- False',
      'revoke EPERM EPERM EPERM',
      'window EACCES',
      "my window b'zz'",
      'my device EACCES',
      'unbreakable EPERM',
      'seal EPERM EPERM EPERM',
      'direct EACCES',
    ]);
  });
});

describeMounted(
  'a device window on a block device, which the kernel does not pass through',
  ['python3', 'losetup'],
  () => {
    let volume: MountedVolume;

    beforeAll(async () => {
      volume = await mountVolume({ deadline: 90_000, loop: true, size: '64m', options: 'break=1' });
      await volume.bash(
        'for i in 1 2 3; do head -c 64k /dev/zero | tr "\\0" z >> file; head -c 64k /dev/zero | tr "\\0" o >> other; sync file other; done',
      );
    });

    afterAll(() => volume?.dispose());

    it('is served at device offsets, and shows the blocks of its lease and nothing else', async () => {
      const lines = await runPython(
        volume,
        `
s = session()
l = lease(ask(s, 'get path=/file range=0-64k'))
at = [int(d) for d in re.findall(r'device=(\\d+)', ask(s, f'map id={l}'))]
other = [int(d) for d in re.findall(r'device=(\\d+)', ask(s, 'map path=/other'))]
print('scattered', [int(d) for d in re.findall(r'device=(\\d+)', ask(s, 'map path=/file'))][0] == at[0], len(at))
d = os.open(f'.layout/device/{l}', os.O_RDWR)
attempt('inside', lambda: os.pread(d, 4, at[0]))
attempt('header', lambda: os.pread(d, 4, 0))
attempt('other', lambda: os.pread(d, 4, other[0]))
attempt('store', lambda: os.pwrite(d, b'ABCD', at[0]))
attempt('store other', lambda: os.pwrite(d, b'ABCD', other[0]))
attempt('store across', lambda: os.pwrite(d, b'AB' * 8, at[0] + 65528))
attempt('beyond', lambda: os.pread(d, 4, 1 << 40))
attempt('fsync', lambda: os.fsync(d))
sys.stdout.flush()
if os.fork() == 0:
    mmap.mmap(d, 4096, offset=other[0])[0]
    os._exit(0)
child, status = os.wait()
print('mapping of another file', signal.Signals(os.WTERMSIG(status)).name)
r = os.open(f'.layout/device/{l}', os.O_RDONLY)
attempt('read only', lambda: os.pwrite(r, b'x', at[0]))
print(read('file', 5), read('other', 3))
print('returned', ask(s, f'return id={l}')[:2])
attempt('read after', lambda: os.pread(d, 4, at[0]))
attempt('store after', lambda: os.pwrite(d, b'LATE', at[0]))
`,
      );
      expect(lines).toEqual([
        'scattered True 1',
        "inside b'zzzz'",
        'header ENXIO',
        'other ENXIO',
        'store 4',
        'store other ENXIO',
        'store across ENXIO',
        "beyond b''",
        'fsync None',
        'mapping of another file SIGBUS',
        'read only EBADF',
        "b'ABCDz' b'ooo'",
        'returned ok',
        'read after EIO',
        'store after EIO',
      ]);
    });

    it('keeps its metadata where it lasts: not beside the device, in /dev', async () => {
      const refused = await volume.run('sh', ['-c', 'exec node "$0" mkfs "$(readlink "$IMG")"', layoutfs]);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain('would be in memory (/dev) and lost at the next start');
    });

    it('is revoked: dirty pages are kept, then EIO and SIGBUS, and nothing is left in quarantine', async () => {
      const lines = await runPython(
        volume,
        `
s = session()
l = lease(ask(s, 'get path=/file'))
extents = [tuple(map(int, e)) for e in re.findall(r'offset=(\\d+) device=(\\d+) length=(\\d+)', ask(s, f'map id={l}'))]
r, w = os.pipe()
holder = os.fork()
if holder == 0:
    d = os.open(f'.layout/device/{l}', os.O_RDWR)
    maps = [mmap.mmap(d, length, offset=device) for _, device, length in extents]
    for m in maps: m[4096:4100] = b'kept'
    os.write(w, b'x')
    while True: maps[0][0]; time.sleep(0.001)
os.read(r, 1)
# Nobody answers the recall: the fence is at the deadline.
os.system('truncate -s 192512 file')
child, status = os.waitpid(holder, 0)
print(len(extents), signal.Signals(os.WTERMSIG(status)).name)
print([read('file', 4, offset + 4096) for offset, _, _ in extents])
os.close(s)
for i in range(500):
    if open('.layout/quarantine').read().count('\\n') == 1: break
    time.sleep(0.01)
print(open('.layout/quarantine').read().count('\\n'))
`,
      );
      expect(lines).toEqual(['3 SIGBUS', "[b'kept', b'kept', b'kept']", '1']);
      await volume.unmount();
      // The loop device has gone with the daemon; the volume is in the file that was under it.
      await bash(`ln -sfn disk ${volume.image}`);
      const fsck = await volume.layoutfs(['fsck', '-n', volume.image]);
      expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
    });
  },
);
