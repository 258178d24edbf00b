"""Holders of `npm run scale:leases`: many leases of many sessions on the mount that is the working directory. Prints JSON lines."""
import json, os, resource, select, sys, threading, time

daemon = int(sys.argv[1])
most = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
BLOCK = 4096


def cpu():
    """Milliseconds that the daemon's state thread has run: what others have to wait for, whatever else the machine does."""
    with open(f'/proc/{daemon}/task/{daemon}/schedstat') as f:
        return int(f.read().split()[0]) / 1e6


def say(**fields):
    print(json.dumps(fields), flush=True)


class Session:
    def __init__(self):
        self.fd = os.open('.layout/ctl', os.O_RDWR | os.O_NONBLOCK)
        self.rest = b''
        self.replies = []

    def ask(self, *lines):
        """Requests in one write; their replies, events left out."""
        self.replies = []
        data = ('\n'.join(lines) + '\n').encode()
        while data:
            data = data[os.write(self.fd, data):]
        while len(self.replies) < len(lines):
            select.select([self.fd], [], [], 60)
            self.rest += os.read(self.fd, 1 << 20)
            *whole, self.rest = self.rest.split(b'\n')
            self.replies += [each for each in map(json.loads, whole) if 'event' not in each]
        for reply in self.replies:
            if not reply['ok']:
                raise SystemExit(json.dumps(reply))
        return self.replies


def get(path, **more):
    return json.dumps({'verb': 'get', 'path': path, 'kind': 'layout', 'coherent': False, **more})


def make(name, blocks=1):
    fd = os.open(name, os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, bytes(blocks * BLOCK), 0)
    os.fsync(fd)
    return fd


def costs(path, fd, session, times=300):
    """Milliseconds of the state thread: get, a write that is judged, return."""
    took = {'get': 0.0, 'write': 0.0, 'return': 0.0}
    for _ in range(times):
        start = cpu()
        lease = session.ask(get(path))[0]['id']
        got = cpu()
        os.pwrite(fd, b'x', 0)
        written = cpu()
        session.ask(json.dumps({'verb': 'return', 'id': lease}))
        took['get'] += got - start
        took['write'] += written - got
        took['return'] += cpu() - written
    return {name: round(ms / times, 4) for name, ms in took.items()}


def fill(paths, count, sessions):
    at = 0
    while at < count:
        part = [get(paths[(at + i) % len(paths)]) for i in range(min(100, count - at))]
        sessions[(at // 100) % len(sessions)].ask(*part)
        at += len(part)


def growth(title, paths, fd, few, many):
    sessions = [Session() for _ in range(50)]
    other = Session()
    fill(paths, few, sessions)
    costs(paths[0], fd, other)
    before = costs(paths[0], fd, other)
    fill(paths, many - few, sessions)
    after = costs(paths[0], fd, other)
    say(title=title, few=few, many=many, before=before, after=after)
    for session in (*sessions, other):
        os.close(session.fd)


def crowd(count):
    """All are recalled by one truncate(2), and return; somebody else reads and writes another file all the time."""
    make('crowd', 8)
    bystander = make('bystander')
    sessions = [Session() for _ in range(count)]
    leases = [session.ask(get('/crowd', kind='direct'))[0]['id'] for session in sessions]
    waits, over = [], threading.Event()

    def stand_by():
        while not over.is_set():
            start = time.perf_counter()
            os.pwrite(bystander, b'x', 0)
            os.pread(bystander, 1, 0)
            waits.append((time.perf_counter() - start) * 1000)
            time.sleep(0.0005)

    thread = threading.Thread(target=stand_by)
    thread.start()
    time.sleep(2)
    alone = len(waits)
    if os.fork() == 0:
        os.truncate('crowd', 0)
        os._exit(0)
    for session in sessions:
        select.select([session.fd], [], [], 60)
    told = len(waits)
    worst = 0.0
    for session, lease in zip(sessions, leases):
        start = cpu()
        session.ask(json.dumps({'verb': 'return', 'id': lease}))
        worst = max(worst, cpu() - start)
    os.wait()
    over.set()
    thread.join()
    done = os.stat('crowd').st_size == 0
    rank = lambda list, part: round(sorted(list)[min(len(list) - 1, int(len(list) * part))], 2)
    phases = {'before': waits[:alone], 'recall': waits[alone:told], 'returns': waits[told:]}
    say(
        title='crowd', holders=count, done=done, worst_return_ms=round(worst, 2),
        bystander={name: {'p50': rank(list, 0.5), 'p99': rank(list, 0.99), 'max': rank(list, 1)} for name, list in phases.items() if list},
    )


fd = make('one')
growth('leases on one file', ['/one'], fd, 100, 10_000)
names = [f'm{i}' for i in range(most // 10)]
for name in names:
    os.close(make(name) if name == names[0] else os.open(name, os.O_RDWR | os.O_CREAT))
growth(f'leases on {len(names)} files', ['/' + name for name in names], os.open(names[0], os.O_RDWR), 100, most)
crowd(1000)
