import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';
import { runPython } from './python.ts';

/**
 * The table of docs/coherence.md: every way to store against every reader. A reader of the file was opened before the
 * grant or during the lease, and reads through the page cache, by O_DIRECT, or by a mapping, which was made before or during.
 * `now`: who sees the store at once, `moments`: everybody, soon, without a commit.
 */
interface Store {
  through: string;
  store: string;
  now: string;
  moments?: boolean;
}

const GUARDED: Store[] = [
  { through: 'guarded mapping', store: 'mg[0:4] = v', now: 'guarded|guarded mapped' },
  {
    through: 'guarded write',
    store: 'os.pwrite(g, v, 0)',
    now: 'guarded|guarded mapped|device|before direct|during direct|during cached',
    moments: true,
  },
];
const PASSED = 'device|device mapped|guarded|before direct|during direct|during cached';
const KINDS: { name: string; loop: boolean; tools: string[]; stores: Store[] }[] = [
  {
    name: 'a device window by passthrough',
    loop: false,
    tools: [],
    stores: [
      { through: 'device mapping', store: 'md[0:4] = v', now: PASSED },
      { through: 'device write', store: 'os.pwrite(d, v, device)', now: PASSED },
      ...GUARDED.map((store) => ({ ...store, now: store.moments ? `${store.now}|device mapped` : store.now })),
    ],
  },
  {
    name: 'a served device window (block device)',
    loop: true,
    tools: ['losetup'],
    stores: [
      { through: 'device mapping', store: 'md[0:4] = v', now: 'device|device mapped' },
      { through: 'device write', store: 'os.pwrite(d, v, device)', now: PASSED, moments: true },
      ...GUARDED,
    ],
  },
];

const READERS = `
page = mmap.mmap(-1, 4096)
def opened(flags): return os.open('file', os.O_RDWR | flags)
def by_direct(fd):
    os.preadv(fd, [page], 0)
    return page[0:4]
class Mapped:
    def __init__(self, fd): self.m = mmap.mmap(fd, 4096); self.m[0]
    def read(self): return self.m[0:4]
def readers(when):
    cached, direct, mapped = opened(0), opened(os.O_DIRECT), Mapped(opened(0))
    return {f'{when} cached': lambda: os.pread(cached, 4, 0), f'{when} direct': lambda: by_direct(direct), f'{when} mapped': mapped.read}
def blind(all, v): return sorted(name for name, read in all.items() if read() != v)
def soon(all, v):
    end = time.time() + 5
    while blind(all, v) and time.time() < end: time.sleep(0.005)
    return blind(all, v)
def gone():
    while open('.layout/leases').read().count('/file'): time.sleep(0.005)
`;

for (const { name, loop, tools, stores } of KINDS) {
  describeMounted(`coherence, with ${name}`, ['python3', ...tools], () => {
    let volume: MountedVolume;

    beforeAll(async () => {
      volume = await mountVolume({ deadline: 110_000, loop, size: '64m' });
      await volume.bash('head -c 64k /dev/zero | tr "\\0" z > file; sync file');
    });

    afterAll(() => volume?.dispose());

    it('is the kind of window that the mount says it has', async () => {
      const { stdout } = await volume.layoutfs(['status', volume.dir]);
      expect(stdout).toContain(`device-window ${loop ? 'served: the device is not a regular file' : 'passthrough'}`);
    });

    for (const { through, store, now, moments } of stores) {
      it(`a store by ${through}: who sees it at once, and everybody from commit, return and close on`, async () => {
        const lines = await runPython(
          volume,
          `${READERS}
all = readers('before')
kept = opened(0)
s = session()
l = lease(ask(s, 'get path=/file'))
device = int(re.search(r'device=(\\d+)', ask(s, f'map id={l}'))[1])
d = os.open(f'.layout/device/{l}', os.O_RDWR); md = mmap.mmap(d, 4096, offset=device); md[0]
g = os.open(f'.layout/lease/{l}', os.O_RDWR); mg = mmap.mmap(g, 4096); mg[0]
all.update(readers('during'))
late = Mapped(kept)
all['before, mapped during'] = late.read
files = dict(all)
all['guarded'] = lambda: os.pread(g, 4, 0)
all['guarded mapped'] = lambda: mg[0:4]
all['device'] = lambda: os.pread(d, 4, device)
all['device mapped'] = lambda: md[0:4]
for read in all.values(): read()
v = b'one1'
${store}
print('now', [n for n in '${now}'.split('|') if all[n]() != v])
if ${moments ? 'True' : 'False'}: print('moments', soon(all, v))
assert ask(s, f'commit id={l} range=0-4k').startswith('ok')
print('committed', blind(all, v))
v = b'two2'
${store}
assert ask(s, f'return id={l}').startswith('ok')
print('returned', blind(files, v))
del md, mg
os.close(d); os.close(g)
l = lease(ask(s, 'get path=/file'))
device = int(re.search(r'device=(\\d+)', ask(s, f'map id={l}'))[1])
d = os.open(f'.layout/device/{l}', os.O_RDWR); md = mmap.mmap(d, 4096, offset=device)
g = os.open(f'.layout/lease/{l}', os.O_RDWR); mg = mmap.mmap(g, 4096); mg[0]
for read in files.values(): read()
v = b'end3'
${store}
for name in ('device', 'device mapped', 'guarded', 'guarded mapped'): all.pop(name)
del md, mg
os.close(d); os.close(g); os.close(s)
gone()
print('closed', soon(files, v))
`,
        );
        expect(lines).toEqual([
          'now []',
          ...(moments ? ['moments []'] : []),
          'committed []',
          'returned []',
          'closed []',
        ]);
      });
    }

    it('a write to the file by somebody else is seen in all windows within moments', async () => {
      const lines = await runPython(
        volume,
        `${READERS}
s = session()
l = lease(ask(s, 'get path=/file'))
device = int(re.search(r'device=(\\d+)', ask(s, f'map id={l}'))[1])
d = os.open(f'.layout/device/{l}', os.O_RDWR); md = mmap.mmap(d, 4096, offset=device); md[0]
g = os.open(f'.layout/lease/{l}', os.O_RDWR); mg = mmap.mmap(g, 4096); mg[0]
all = {'guarded': lambda: os.pread(g, 4, 0), 'guarded mapped': lambda: mg[0:4], 'device': lambda: os.pread(d, 4, device), 'device mapped': lambda: md[0:4]}
for v in (b'oth1', b'oth2', b'oth3'):
    os.pwrite(opened(0), v, 0)
    print(soon(all, v))
`,
      );
      expect(lines).toEqual(['[]', '[]', '[]']);
    });
  });
}

describeMounted('coherence', ['python3'], () => {
  let volume: MountedVolume;

  beforeAll(async () => {
    volume = await mountVolume({ deadline: 60_000 });
    await volume.bash('head -c 64k /dev/zero | tr "\\0" z > file; sync file');
  });

  afterAll(() => volume?.dispose());

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
