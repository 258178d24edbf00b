import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';
import { runPython } from './python.ts';

describeMounted('.layout/direct', ['python3'], () => {
  let volume: MountedVolume;

  beforeAll(async () => {
    volume = await mountVolume({ deadline: 120_000 });
  });

  afterAll(() => volume?.dispose());

  it('makes and removes names in the volume, and both ways see it at once', async () => {
    const lines = await runPython(
      volume,
      `
D = '.layout/direct/'
os.mkdir('plain')
attempt('not there', lambda: os.stat('plain/made'))
f = os.open(D + 'plain/made', os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
print('made', os.stat('plain/made').st_size, oct(os.stat('plain/made').st_mode), os.listdir('plain'))
os.write(f, b'abc'); os.close(f)
print('grew', os.stat('plain/made').st_size, os.stat(D + 'plain/made').st_size)
os.rename(D + 'plain/made', D + 'plain/moved')
attempt('old name', lambda: os.stat('plain/made'))
print('new name', read('plain/moved', 3))
os.mkdir(D + 'plain/deep'); os.mkdir(D + 'plain/deep/er')
print('directories', os.listdir('plain/deep'), os.stat('plain').st_nlink, os.stat(D + 'plain').st_nlink)
os.rename(D + 'plain/moved', D + 'plain/deep/er/moved')
print('deep', read('plain/deep/er/moved', 3), read(D + 'plain/deep/er/moved', 3))
attempt('out of it', lambda: os.rename(D + 'plain/deep/er/moved', 'moved'))
os.symlink('er/moved', D + 'plain/deep/link')
print('link', os.readlink('plain/deep/link'), os.readlink(D + 'plain/deep/link'), read(D + 'plain/deep/link', 3))
os.chmod(D + 'plain/deep/er/moved', 0o600); os.utime(D + 'plain/deep/er/moved', (5, 7))
os.setxattr(D + 'plain/deep/er/moved', 'user.a', b'1')
s = os.stat('plain/deep/er/moved')
print('attributes', oct(s.st_mode), s.st_mtime, os.getxattr('plain/deep/er/moved', 'user.a'))
os.unlink(D + 'plain/deep/link'); os.unlink(D + 'plain/deep/er/moved')
attempt('unlinked', lambda: os.stat('plain/deep/er/moved'))
attempt('unlinked link', lambda: os.lstat('plain/deep/link'))
attempt('not empty', lambda: os.rmdir(D + 'plain/deep'))
os.rmdir(D + 'plain/deep/er'); os.rmdir('plain/deep')
attempt('removed outside', lambda: os.stat(D + 'plain/deep'))
open('plain/outside', 'w').write('xyz'); os.unlink('plain/outside')
attempt('gone outside', lambda: os.stat(D + 'plain/outside'))
os.fsync(os.open(D + 'plain', os.O_RDONLY))
print('space', os.statvfs(D + 'plain').f_blocks == os.statvfs('.').f_blocks, os.listdir('plain'))
`,
    );
    expect(lines).toEqual([
      'not there ENOENT',
      "made 0 0o100640 ['made']",
      'grew 3 3',
      'old name ENOENT',
      "new name b'abc'",
      "directories ['er'] 3 3",
      "deep b'abc' b'abc'",
      'out of it EXDEV',
      "link er/moved er/moved b'abc'",
      "attributes 0o100600 7.0 b'1'",
      'unlinked ENOENT',
      'unlinked link ENOENT',
      'not empty ENOTEMPTY',
      'removed outside ENOENT',
      'gone outside ENOENT',
      'space True []',
    ]);
  });

  it('shows two processes each other’s locks, as long as nobody was revoked', async () => {
    await volume.bash('head -c 64k /dev/zero > locked; sync locked');
    const lines = await runPython(
      volume,
      `
import fcntl
P = '.layout/direct/locked'
def tries():
    f = os.open(P, os.O_RDWR)
    attempt('other byte', lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 200))
    attempt('same byte', lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 100))
    attempt('flock', lambda: fcntl.flock(os.open(P, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB))
    sys.stdout.flush()
def forked(f):
    if os.fork() == 0: f(); os._exit(0)
    os.wait()
mine = os.open(P, os.O_RDWR)
fcntl.lockf(mine, fcntl.LOCK_EX, 1, 100)
flocked = os.open(P, os.O_RDONLY)
fcntl.flock(flocked, fcntl.LOCK_EX)
forked(tries)
`,
    );
    expect(lines).toEqual(['other byte None', 'same byte EAGAIN', 'flock EAGAIN']);
  });

  it('revokes one of two openers: the proof comes when the pages they share are out of reach', async () => {
    await volume.bash('head -c 64k /dev/zero | tr "\\0" s > shared; sync shared');
    const lines = await runPython(
      volume,
      `
P = '.layout/direct/shared'
a = os.open(P, os.O_RDWR); ma = mmap.mmap(a, 65536); ma[0]
b = os.open(P, os.O_RDWR)
s = session()
ids = [int(line.split()[0]) for line in open('.layout/leases').read().splitlines()[1:] if line.endswith('/shared')]
print(len(ids), ask(s, f'revoke id={ids[0]} reason=test')[:2], ask(s, f'expire id={ids[0]}')[:2])
def state(i): return re.search(r'state=(\\w+)', ask(s, f'ls id={i} all'))[1]
for i in range(100):
    if state(ids[0]) == 'fence_failed': break
    time.sleep(0.02)
print('while the other lives', state(ids[0]), state(ids[1]))
attempt('revoked reads', lambda: os.pread(a, 4, 0))
attempt('other reads', lambda: os.pread(b, 4, 0))
attempt('third opens', lambda: os.open(P, os.O_RDWR))
os.close(b)
for i in range(400):
    if state(ids[0]) == 'revoked': break
    time.sleep(0.02)
print('when it is gone', state(ids[0]))
c = os.open(P, os.O_RDWR)
attempt('third reads', lambda: os.pread(c, 4, 0))
sys.stdout.flush()
child = os.fork()
if child == 0: ma[0]; os._exit(0)
print(signal.Signals(os.WTERMSIG(os.waitpid(child, 0)[1])).name)
`,
    );
    expect(lines).toEqual([
      '2 ok ok',
      'while the other lives fence_failed granted',
      'revoked reads EIO',
      "other reads b'ssss'",
      'third opens EAGAIN',
      'when it is gone revoked',
      "third reads b'ssss'",
      'SIGBUS',
    ]);
  });
});
