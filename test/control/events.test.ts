import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';
import { runPython } from './python.ts';

describeMounted('sessions and events, as a program meets them', ['python3', 'truncate'], () => {
  let volume: MountedVolume;
  const python = (script: string): Promise<string[]> => runPython(volume, script);

  beforeAll(async () => {
    volume = await mountVolume({ deadline: 90_000 });
    await volume.bash('for f in file polled waited; do head -c 1M /dev/zero > $f; sync $f; done');
  });

  afterAll(() => volume?.dispose());

  it('`gen` tells a holder once that the map which he knows has changed, until he asks for it again', async () => {
    const lines = await python(`
def events(s):
    text = b''
    try:
        while True: text += os.read(s, 65536)
    except BlockingIOError: pass
    return [re.sub(r'(lease|seq|ino)=\\d+ ', '', e) for e in text.decode().splitlines() if e.startswith('event')]
s = session()
os.write(s, b'get path=/file kind=layout coherent=no\\n'); l = re.search(r'id=(\\d+)', os.read(s, 4096).decode())[1]
def write(block): assert os.system(f'dd if=/dev/zero of=file bs=4k seek={block} count=1 conv=notrunc status=none') == 0
write(256)
print('unmapped', events(s))
gen = re.search(r'gen=(\\d+)', ask(s, f'map id={l}'))[1]
write(0)
print('in place', events(s))
for i in range(3): write(300 + 16 * i)
told = events(s)
print(len(told), told[0].split(' path=')[0], 'reason="the block map has changed"' in told[0], int(re.search(r' gen=(\\d+)', told[0])[1]) == int(gen) + 1)
ask(s, f'map id={l}')
write(512)
print('again', len(events(s)))
`);
    expect(lines).toEqual(['unmapped []', 'in place []', '1 event gen True True', 'again 1']);
  });

  it('poll(2) and a signal of the holder’s choice tell of a recall; the stream has it as JSON', async () => {
    const lines = await python(`
import json, select
def poller(fd):
    p = select.poll(); p.register(fd, select.POLLIN); return lambda ms: [e for _, e in p.poll(ms)]
heard = []
signal.signal(signal.SIGUSR2, lambda *_: heard.append('USR2'))
stream = os.open('.layout/events', os.O_RDONLY | os.O_NONBLOCK)
s = session()
on_stream, on_session = poller(stream), poller(s)
print('quiet', on_stream(0), on_session(0))
l = lease(ask(s, 'get path=/polled notify=signal:12'))
print('granted', on_stream(5000), json.loads(os.read(stream, 65536))['event'], on_session(0))
t = os.posix_spawnp('truncate', ['truncate', '-s', '4096', 'polled'], os.environ)
print('recall', on_session(10000), heard)
plain = os.read(s, 65536).decode()
event = json.loads(os.read(stream, 65536))
print(plain.split()[:2], {k: event[k] for k in ('event', 'path', 'offset', 'length', 'reason', 'target')}, event['breaker']['command'], 0 < event['deadline_ms'] <= 45000)
ask(s, f'return id={l}')
print(os.waitpid(t, 0)[1])
`);
    expect(lines).toEqual([
      'quiet [] []',
      'granted [1] granted []',
      "recall [1] ['USR2']",
      "['event', 'recall'] {'event': 'recall', 'path': '/polled', 'offset': 4096, 'length': None, 'reason': 'truncate', 'target': 'none'} truncate True",
      '0',
    ]);
  });

  it('a signal ends a write(2) whose verb waits with EINTR, and the reason is told', async () => {
    const lines = await python(`
class Alarm(Exception): pass
def ring(*_): raise Alarm()
s = session()
l = lease(ask(s, 'get path=/waited kind=exclusive'))
if os.fork() == 0:
    signal.signal(signal.SIGALRM, ring)
    c = session()
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try: print('granted', os.write(c, b'get path=/waited kind=exclusive wait=30\\n'))
    except Alarm: print(os.read(c, 4096).decode().split(' hint')[0])
    sys.stdout.flush(); os._exit(0)
os.wait()
print('waits', open('.layout/waiters').read().count('\\n') - 1)
`);
    expect(lines).toEqual(['err EINTR', 'waits 0']);
  });

  it('names of odd bytes are asked for, told and listed in both forms', async () => {
    const lines = await python(`
import json
odd = b'o\\x80d "q"\\\\ \\xc3\\xa4'
f = os.open(odd, os.O_RDWR | os.O_CREAT); os.write(f, bytes(4096)); os.fsync(f)
s = session()
for line in (r'get path="/o\\x80d \\"q\\"\\\\ ä"', r'get path=/o\\x80d\\x20\\x22q\\x22\\\\\\x20\\xc3\\xa4', json.dumps({'verb': 'get', 'path': '/o\\\\x80d "q"\\\\\\\\ ä'})):
    print(ask(s, line).split(',')[0].split()[0])
told = re.search(r'path=("(?:[^"\\\\]|\\\\.)*")', ask(s, 'ls'))[1]
print(told)
print(ask(s, 'why path=' + told).split()[0], json.loads(ask(s, '{"verb":"ls"}'))['leases'][0]['path'])
print(ask(s, f'map ino={os.fstat(f).st_ino} gen=77').split()[0])
`);
    expect(lines).toEqual([
      'ok',
      'ok',
      '{"ok":true',
      String.raw`"/o\x80d \"q\"\\ ä"`,
      String.raw`ok /o\x80d "q"\\ ä`,
      'ESTALE',
    ]);
  });
});
