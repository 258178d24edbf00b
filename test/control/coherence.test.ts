import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';
import { runPython } from './python.ts';

/**
 * The table of docs/coherence.md. A holder stores through one of his windows; a reader of the file was opened before
 * the grant or during the lease, and reads through the page cache, by O_DIRECT, or by a mapping.
 */
const STORES = [
  { through: 'device mapping', store: 'md[0:4] = v', seen: 'commit' },
  { through: 'device write', store: 'os.pwrite(d, v, device)', seen: 'commit' },
  { through: 'guarded mapping', store: 'mg[0:4] = v', seen: 'commit' },
  { through: 'guarded write', store: 'os.pwrite(g, v, 0)', seen: 'soon' },
] as const;

const READERS = `
import ctypes
page = mmap.mmap(-1, 4096)
def opened(flags): return os.open('file', os.O_RDWR | flags)
def by_direct(fd):
    os.preadv(fd, [page], 0)
    return page[0:4]
class Mapped:
    def __init__(self): self.m = mmap.mmap(opened(0), 4096); self.m[0]
    def read(self): return self.m[0:4]
def readers(when):
    cached, direct, mapped = opened(0), opened(os.O_DIRECT), Mapped()
    return {f'{when} cached': lambda: os.pread(cached, 4, 0), f'{when} direct': lambda: by_direct(direct), f'{when} mapped': mapped.read}
`;

describeMounted('coherence', ['python3'], () => {
  let volume: MountedVolume;

  beforeAll(async () => {
    volume = await mountVolume({ deadline: 110_000 });
    await volume.bash('head -c 64k /dev/zero | tr "\\0" z > file; sync file');
  });

  afterAll(() => volume?.dispose());

  for (const { through, store, seen } of STORES) {
    it(`a store by ${through} is seen by every reader after the commit, and after the return`, async () => {
      const lines = await runPython(
        volume,
        `${READERS}
all = readers('before')
s = session()
l = lease(ask(s, 'get path=/file'))
device = int(re.search(r'device=(\\d+)', ask(s, f'map id={l}'))[1])
d = os.open(f'.layout/device/{l}', os.O_RDWR); md = mmap.mmap(d, 4096, offset=device)
g = os.open(f'.layout/lease/{l}', os.O_RDWR); mg = mmap.mmap(g, 4096); mg[0]
all.update(readers('during'))
all['guarded'] = lambda: os.pread(g, 4, 0)
all['guarded mapped'] = lambda: mg[0:4]
all['device mapped'] = lambda: md[0:4]
def show(what, v): print(what, sorted(name for name, read in all.items() if read() != v))
for read in all.values(): read()
v = b'one1'
${store}
if '${seen}' == 'soon': time.sleep(0.2); show('soon', v)
assert ask(s, f'commit id={l} range=0-4k').startswith('ok')
show('committed', v)
v = b'two2'
${store}
assert ask(s, f'return id={l}').startswith('ok')
del all['guarded'], all['guarded mapped'], all['device mapped']
show('returned', v)
`,
      );
      expect(lines).toEqual([...(seen === 'soon' ? ['soon []'] : []), 'committed []', 'returned []']);
    });
  }

  it('a commit never says that it is done while a write that waits for the lease keeps older pages', async () => {
    const lines = await runPython(
      volume,
      `
old = os.open('file', os.O_RDWR)
s = session()
l = lease(ask(s, 'get path=/file kind=layout mode=rw coherent'))
device = int(re.search(r'device=(\\d+)', ask(s, f'map id={l}'))[1])
d = os.open(f'.layout/device/{l}', os.O_RDWR)
os.posix_fadvise(old, 0, 0, os.POSIX_FADV_RANDOM)
os.pread(old, 4, 8192)
writer = os.fork()
if writer == 0: os.pwrite(old, b'WW', 4096 + 100); os._exit(0)
while 'write' not in open('.layout/waiters').read(): time.sleep(0.01)
os.pwrite(d, b'HOLD', device + 8192)
reply = ask(s, f'commit id={l}')
print(reply.split()[:3], 'return the lease' in reply)
print(ask(s, f'return id={l}').split()[0])
print(os.pread(old, 4, 8192))
os.waitpid(writer, 0)
print(os.pread(old, 4, 8192), os.pread(old, 3, 4195))
`,
    );
    expect(lines).toEqual(["['EBUSY', 'err', 'EBUSY'] True", 'ok', "b'HOLD'", "b'HOLD' b'zWW'"]);
  });
});
