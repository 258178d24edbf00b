import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';
import { runPython } from './python.ts';

/** `make(path, n, letter)`: a file of n bytes on the device; `field(reply, name)`: a field of a reply's last line. */
const FILES = `
def make(path, n, letter=b'x'):
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.write(fd, letter * n); os.fsync(fd); os.close(fd)
def field(reply, key): return re.search(r'(?:^|\\s)' + key + r'=(\\S+)', reply)[1]
def word(reply): return (reply if reply[0] == 'E' else reply.splitlines()[-1]).split()[0]
def extents(s, path): return [(line.split()) for line in ask(s, f'map path={path}').splitlines() if line.startswith(' ')]
def runs(path, size): return ''.join(chr(c) for c in read(path, size)[0::4096])
`;

describeMounted('verbs', ['python3'], () => {
  let volume: MountedVolume;
  const python = (script: string): Promise<string[]> => runPython(volume, FILES + script);

  beforeAll(async () => {
    volume = await mountVolume({ size: '256m', options: 'inject', deadline: 180_000 });
    await volume.bash('chmod 755 . "$ROOT"');
  });

  afterAll(() => volume?.dispose());

  it('clone shares blocks, also out of a page cache, and keeps both files apart afterwards', async () => {
    const lines = await python(`
s = session()
make('source', 65536, b's')
m = mmap.mmap(os.open('source', os.O_RDWR), 65536)
m[4096:4098] = b'mm'
open('copy', 'w').close()
print(ask(s, 'clone path=/source to=/copy').split()[0], os.stat('copy').st_size, read('copy', 3, 4095))
print(sorted({line[-1] for line in extents(s, '/copy')}), sorted({line[-1] for line in extents(s, '/source')}))
f = os.open('copy', os.O_RDWR); os.pwrite(f, b'CC', 0)
m[8192:8194] = b'nn'; m.flush()
print(read('source', 3), read('copy', 3), read('copy', 3, 8192), read('source', 3, 8192))
print(ask(s, 'clone path=/source to=/copy range=0-4k to_offset=100').split()[0])
print(ask(s, 'get path=/source').split()[0], ask(s, 'prepare path=/source').split()[0], ask(s, 'get path=/source').split()[0])
print(ask(s, 'clone path=/source to=/copy').split()[0])
`);
    expect(lines).toEqual([
      "ok 65536 b'smm'",
      "['state=shared'] ['state=shared']",
      "b'sss' b'CCs' b'sss' b'nns'",
      'EINVAL',
      'ENXIO ok ok',
      'EDEADLK',
    ]);
  });

  it('collapse and insert move what is behind, with dirty pages where they belong', async () => {
    const lines = await python(`
s = session()
fd = os.open('moved', os.O_RDWR | os.O_CREAT)
for letter in b'abcdef': os.write(fd, bytes([letter]) * 4096)
m = mmap.mmap(fd, 24576)
m[0]; m[16384:16385] = b'E'
print(word(ask(s, 'collapse path=/moved range=4k-12k')), os.stat('moved').st_size, runs('moved', 16384), chr(m[8192]))
print(word(ask(s, 'insert path=/moved range=4k-8k')), os.stat('moved').st_size, repr(runs('moved', 20480)))
print(word(ask(s, 'collapse path=/moved range=1k-2k')), word(ask(s, 'collapse path=/moved range=0-20k')), word(ask(s, 'insert path=/moved range=20k-24k')))
make('held', 16384)
l = lease(ask(s, 'get path=/held'))
print(word(ask(s, 'collapse path=/held range=0-4k')))
other = session()
if os.fork() == 0:
    print(word(ask(session(), 'collapse path=/held range=0-4k')), word(ask(session(), 'insert path=/held range=0-4k')))
    sys.stdout.flush(); os._exit(0)
os.wait()
print([line.split()[1:4] for line in os.read(s, 65536).decode().splitlines()][:1])
`);
    expect(lines.slice(0, 5)).toEqual([
      'ok 16384 adEf E',
      "ok 20480 'a\\x00dEf'",
      'EINVAL EINVAL EINVAL',
      'EDEADLK',
      'EAGAIN EAGAIN',
    ]);
    expect(lines[5]).toContain('recall');
  });

  it('relocate and drain move blocks, ask holders, and list who keeps theirs', async () => {
    const lines = await python(`
s = session()
make('here', 1 << 20, b'h')
before = int(field(extents(s, '/here')[0][1], 'device')) if '=' in extents(s, '/here')[0][1] else 0
reply = ask(s, 'relocate path=/here')
after = int(field(extents(s, '/here')[0][1], 'device'))
print(word(reply), field(reply, 'moved'), before != after, read('here', 2))
l = lease(ask(s, 'get path=/here unbreakable'))
d = os.open(f'.layout/device/{l}', os.O_RDONLY)
reply = ask(s, 'drain range=0-256m')
print(word(reply), int(field(reply, 'left')) >= 1 << 20, f'lease={l}' in reply)
print(int(field(extents(s, '/here')[0][1], 'device')) == after)
os.close(d); ask(s, f'return id={l}')
reply = ask(s, f'drain range={after}-{after + (1 << 20)}')
print(word(reply), field(reply, 'moved'), field(reply, 'left'), int(field(extents(s, '/here')[0][1], 'device')) == after, read('here', 2))
`);
    expect(lines).toEqual(["ok 1048576 True b'hh'", 'ok True True', 'True', "ok 1048576 0 False b'hh'"]);
  });

  it('upgrade and downgrade never drop what is held', async () => {
    const lines = await python(`
s, t = session(), session()
make('grades', 65536)
a = lease(ask(s, 'get path=/grades kind=exclusive'))
print(word(ask(t, 'get path=/grades kind=layout')))
seq = field(ask(s, f'downgrade id={a} kind=direct'), 'seq')
print(field(ask(s, f'ls id={a}'), 'kind'))
b = lease(ask(t, 'get path=/grades'))
print(word(ask(s, f'upgrade id={a} kind=exclusive')), field(ask(s, f'ls id={a}'), 'kind'), field(ask(s, f'ls id={a}'), 'state'))
print(word(ask(s, f'return id={a} seq=0')))
print(word(ask(t, f'return id={b}')), word(ask(s, f'return id={a}')))
`);
    expect(lines).toEqual(['EAGAIN', 'direct', 'EAGAIN direct granted', 'ESTALE', 'ok ok']);
  });

  it('sub-leases come and go under their parent, and odp holders are invalidated and stay', async () => {
    const lines = await python(`
s = session()
make('parent', 1 << 20)
p = lease(ask(s, 'get path=/parent'))
c = lease(ask(s, f'get path=/parent range=0-64k parent={p}'))
print(word(ask(s, f'return id={p}')))
if os.fork() == 0:
    print(word(ask(session(), 'break path=/parent'))); sys.stdout.flush(); os._exit(0)
os.wait()
print(word(ask(s, f'get path=/parent range=0-64k parent={p}')))
print(word(ask(s, f'return id={c}')), word(ask(s, f'return id={p}')))
make('odp', 65536)
o = lease(ask(s, 'get path=/odp odp'))
child = os.fork()
if child == 0:
    os.truncate('odp', 4096); os._exit(0)
text = ''
while 'invalidate' not in text:
    try: text += os.read(s, 65536).decode()
    except BlockingIOError: time.sleep(0.01)
print(word(ask(s, f'ack id={o} seq={re.search("seq=([0-9]+)", text[text.index("event invalidate"):])[1]}')))
print(os.waitpid(child, 0)[1], os.stat('odp').st_size, field(ask(s, f'ls id={o}'), 'state'))
`);
    expect(lines).toEqual(['EBUSY', 'ok', 'ENXIO', 'ok ok', 'ok', '0 4096 granted']);
  });

  it('a device window without passthrough is served by the same rules', async () => {
    const lines = await python(`
s = session()
print(word(ask(s, 'inject fault=no-passthrough')), 'served: refused by inject' in open('.layout/version').read())
make('served', 65536, b'S'); make('neighbour', 65536, b'N')
l = lease(ask(s, 'get path=/served range=0-32k'))
device = int(field(ask(s, f'map id={l}'), 'device'))
d = os.open(f'.layout/device/{l}', os.O_RDWR)
attempt('inside', lambda: os.pread(d, 2, device))
attempt('behind', lambda: os.pread(d, 2, device + 32768))
attempt('across', lambda: os.pwrite(d, b'xx', device + 32767))
attempt('nowhere', lambda: os.pread(d, 2, 0))
m = mmap.mmap(d, 4096, offset=device)
m[0:2] = b'mm'; m.flush()
print(word(ask(s, f'commit id={l} range=0-4k')), read('served', 3))
print(word(ask(s, f'return id={l}')))
attempt('returned', lambda: os.pread(d, 2, device))
`);
    expect(lines).toEqual([
      'ok True',
      "inside b'SS'",
      'behind ENXIO',
      'across ENXIO',
      'nowhere ENXIO',
      "ok b'mmS'",
      'ok',
      'returned EIO',
    ]);
  });

  it('prepare places a file on a fragmented volume, or explains; seal and swap want what daxctl wanted', async () => {
    const lines = await python(`
s = session()
os.mkdir('full')
for i in range(40): make(f'full/{i}', 4 << 20)
for i in range(0, 40, 2): os.unlink(f'full/{i}')
open('big', 'w').close()
reply = ask(s, 'prepare path=/big range=0-4m extend align=2m contiguous')
device = int(field(extents(s, '/big')[0][1], 'device')) if reply.startswith('ok') else -1
print(word(reply), device % (2 << 20), len(extents(s, '/big')) if reply.startswith('ok') else 'hint' in reply)
open('huge', 'w').close()
reply = ask(s, 'prepare path=/huge range=0-240m extend align=2m contiguous')
print(word(reply), 'no free run' in reply, os.stat('huge').st_size, os.stat('huge').st_blocks)
print('align', [word(ask(s, f'get path=/big align={a}')) for a in ('1', '6k', '2k', '3m')])
print('aligned', word(ask(s, 'get path=/big align=2m bind=process')))
make('odd', 12288); ask(s, 'relocate path=/odd')
print('misaligned', word(ask(s, 'get path=/odd align=2m')))
print('flag', word(ask(s, 'seal path=/odd nonsense')), word(ask(s, 'seal path=/full')), word(ask(s, 'seal path=/none')))
os.truncate('odd', 1 << 20)
print('hole', word(ask(s, 'seal path=/odd')), word(ask(s, 'get path=/odd kind=swap')))
print('unwritten', word(ask(s, 'prepare path=/odd unwritten')), word(ask(s, 'seal path=/odd')), word(ask(s, 'seal path=/odd unwritten_ok')))
print('again', word(ask(s, 'seal path=/odd')), os.getxattr('odd', 'user.layout.sealed'))
os.chmod('odd', 0o666); os.chmod('big', 0o666)
if os.fork() == 0:
    os.setgid(77); os.setuid(77); t = session()
    print('rights', word(ask(t, 'unseal path=/odd')), word(ask(t, 'seal path=/big'))); sys.stdout.flush(); os._exit(0)
os.wait(); os.chmod('odd', 0o600)
attempt('grow', lambda: os.truncate('odd', 2 << 20))
attempt('shrink', lambda: os.truncate('odd', 1))
attempt('in place', lambda: os.pwrite(os.open('odd', os.O_WRONLY), b'i', 5))
attempt('append', lambda: os.write(os.open('odd', os.O_WRONLY | os.O_APPEND), b'i'))
print('clear', word(ask(s, 'unseal path=/odd')), word(ask(s, 'unseal path=/odd')))
w = lease(ask(s, 'get path=/odd kind=swap'))
print('swap', word(ask(session(), 'get path=/odd kind=swap')), word(ask(s, f'return id={w}')))
`);
    expect(lines).toEqual([
      'ok 0 1',
      'ENOSPC True 0 0',
      "align ['EINVAL', 'EINVAL', 'EINVAL', 'EINVAL']",
      'aligned ok',
      'misaligned EINVAL',
      'flag EINVAL EINVAL ENOENT',
      'hole ENXIO ENXIO',
      'unwritten ok ENXIO ok',
      "again ok b'1'",
      'rights EPERM EPERM',
      'grow ETXTBSY',
      'shrink ETXTBSY',
      'in place 1',
      'append ETXTBSY',
      'clear ok ok',
      'swap EBUSY ok',
    ]);
  });

  it('inject: a lost event, a failed fence, an error of the device, a step of the clock', async () => {
    const lines = await python(`
s = session()
make('faulty', 65536); make('bad', 65536)
l = lease(ask(s, 'get path=/faulty on_expire=none'))
ask(s, f'map id={l}')
def events(): return [line.split()[1] for line in os.read(s, 65536).decode().splitlines() if line.startswith('event')]
print(word(ask(s, f'inject fault=lose-event lease={l}')), word(ask(s, f'inject fault=fail-fence lease={l}')))
child = os.fork()
if child == 0: os.truncate('faulty', 0); os._exit(0)
while 'faulty' not in ask(session(), 'ls') or field(ask(session(), f'ls id={l}'), 'state') != 'recalled': time.sleep(0.01)
attempt('events', events)
print(word(ask(session(), 'inject fault=clock-step')), word(ask(session(), 'inject fault=clock-step by=46')))
print('truncated', os.waitpid(child, 0)[1], os.stat('faulty').st_size, field(ask(session(), f'ls id={l} all'), 'state'))
device = int(field(extents(s, '/bad')[0][1], 'device'))
print(word(ask(s, f'inject fault=device-error range={device}-{device + 4096}')))
f = os.open('bad', os.O_RDONLY | os.O_DIRECT)
page = mmap.mmap(-1, 4096)
attempt('direct read', lambda: os.preadv(f, [page], 0))
attempt('once', lambda: os.preadv(f, [page], 0))
`);
    expect(lines.slice(0, 3)).toEqual(['ok ok', 'events EAGAIN', 'EINVAL ok']);
    expect(lines[3]).toMatch(/^truncated 0 0 (fencing|fence_failed)$/);
    expect(lines.slice(4)).toEqual(['ok', 'direct read EIO', 'once 4096']);
  });

  it('quarantine drains to nothing when the late holders are gone', async () => {
    // An earlier case has taken passthrough away; a window that the daemon serves is revoked, and nothing is quarantined.
    await volume.unmount();
    await volume.remount();
    const lines = await python(`
s = session()
def quarantined(): return len(open('.layout/quarantine').read().splitlines()) - 1
for name in os.listdir('.layout/lease'): ask(s, f'revoke id={name}')
make('late', 1 << 20)
r, w = os.pipe()
holder = os.fork()
if holder == 0:
    t = session()
    l = lease(ask(t, 'get path=/late on_expire=none'))
    device = int(field(ask(t, f'map id={l}'), 'device'))
    m = mmap.mmap(os.open(f'.layout/device/{l}', os.O_RDWR), 1 << 20, offset=device)
    os.write(w, b'x'); time.sleep(60)
os.read(r, 1)
child = os.fork()
if child == 0: os.truncate('late', 0); os._exit(0)
while field(ask(s, 'ls path=/late'), 'state') != 'recalled': time.sleep(0.01)
ask(s, 'inject fault=clock-step by=46')
os.waitpid(child, 0)
print('held', quarantined() > 0)
os.kill(holder, 9); os.waitpid(holder, 0)
for i in range(100):
    ask(s, 'inject fault=clock-step by=2')
    if quarantined() == 0: break
    time.sleep(0.05)
print('left', quarantined(), ask(s, 'quarantine').split()[:2])
`);
    expect(lines).toEqual(['held True', "left 0 ['ok', 'bytes=0']"]);
  });

  it('named leases: renewed, reclaimed with their secret after a crash of the daemon', async () => {
    const before = await python(`
s = session()
make('named', 65536)
reply = ask(s, 'get path=/named bind=named name=pool secret=s3cret')
print(word(reply), word(ask(s, f'renew id={lease(reply)} secret=s3cret')), word(ask(s, 'get path=/named bind=named name=pool')))
`);
    expect(before).toEqual(['ok ok EBUSY']);
    await volume.kill();
    await volume.remount();
    const after = await python(`
s = session()
print(field(ask(s, 'ls path=/named'), 'state'))
print(word(ask(s, 'reclaim name=pool secret=wrong')), word(ask(s, 'reclaim name=none secret=s3cret')))
reply = ask(s, 'reclaim name=pool secret=s3cret')
print(word(reply), field(reply, 'state'))
attempt('append', lambda: os.write(os.open('named', os.O_WRONLY | os.O_APPEND), b'x'))
print(word(ask(s, f'return id={lease(reply)}')), ask(s, 'ls path=/named').split()[:2])
`);
    expect(after[0]).toBe('orphaned');
    expect(after[1]).toMatch(/^E(PERM|ACCES) ENOENT$/);
    expect(after.slice(2)).toEqual(['ok granted', 'append EDEADLK', "ok ['ok', 'count=0']"]);
  });
});
