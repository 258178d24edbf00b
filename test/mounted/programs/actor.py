"""A process of the lease matrix: JSON commands on stdin, JSON answers on stdout, each command in a thread of its own, so
that an operation that waits for a lease keeps nobody else waiting. It may hold leases, in one session, whose events it
passes on as they come."""
import ctypes, errno, json, mmap, os, select, sys, threading

os.chdir(os.environ['MNT'])
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
off_t = ctypes.c_int64
out = threading.Lock()


def say(thing):
    with out:
        sys.stdout.write(json.dumps(thing) + '\n')
        sys.stdout.flush()


def name(number):
    return {'EDEADLOCK': 'EDEADLK', 'EWOULDBLOCK': 'EAGAIN'}.get(errno.errorcode[number], errno.errorcode[number])


class File:
    def __init__(self, path, flags):
        self.path, self.flags = path, flags

    def __enter__(self):
        self.fd = os.open(self.path, self.flags, 0o644)
        return self.fd

    def __exit__(self, *_):
        os.close(self.fd)


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), 'failed')
    return result


def write(path, at, length, byte, flags=0):
    with File(path, os.O_WRONLY | os.O_CREAT | flags) as fd:
        return os.pwrite(fd, byte.encode() * length, at)


def fallocate(path, mode, at, length):
    with File(path, os.O_RDWR | os.O_CREAT) as fd:
        return checked(libc.fallocate(fd, mode, off_t(at), off_t(length)))


def truncate(path, size):
    with File(path, os.O_WRONLY | os.O_CREAT) as fd:
        os.ftruncate(fd, size)


def open_truncating(path, flags=0):
    with File(path, os.O_WRONLY | os.O_TRUNC | flags):
        pass


def copy(source, target, length):
    with File(source, os.O_RDONLY) as a, File(target, os.O_RDWR) as b:
        return os.copy_file_range(a, b, length, 0, 0)


def read(path, at, length):
    with File(path, os.O_RDONLY) as fd:
        return os.pread(fd, length, at).decode('latin1')


def look(path):
    """Size, allocated bytes, mode, generation of the map, and the contents as runs of equal bytes."""
    with File(path, os.O_RDONLY) as fd:
        st = os.fstat(fd)
        data = os.pread(fd, st.st_size, 0)
        gen = os.getxattr(fd, 'user.layout.generation').decode()
    runs = []
    for at in range(0, len(data), 4096):
        block = data[at:at + 4096]
        runs.append(chr(block[0]) if block.count(block[0]) == len(block) else 'mixed')
    return {'size': st.st_size, 'blocks': st.st_blocks, 'mode': st.st_mode & 0o7777, 'gen': gen, 'runs': runs}


def map_private(path):
    with File(path, os.O_RDONLY) as fd:
        with mmap.mmap(fd, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as area:
            area[0] = 1
            return area[1]


def fsync(path):
    with File(path, os.O_RDWR) as fd:
        os.fsync(fd)


def store_shared(path, at, byte):
    """A store into a shared mapping, and its writeback."""
    with File(path, os.O_RDWR) as fd:
        length = os.fstat(fd).st_size
        address = libc.mmap(None, ctypes.c_size_t(length), 3, mmap.MAP_SHARED, fd, off_t(0))
        libc.memset(ctypes.c_void_p(address + at), ord(byte), 1)
        # Not mmap.flush: that would keep the other threads of this process waiting too.
        try:
            checked(libc.msync(ctypes.c_void_p(address), ctypes.c_size_t(length), 4))
        finally:
            libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(length))


def verb(line):
    """A request in a session of its own; a verb that waits holds the write."""
    fd = os.open('.layout/ctl', os.O_RDWR)
    try:
        return request(fd, line)
    finally:
        os.close(fd)


def request(fd, line):
    try:
        os.write(fd, (json.dumps(line) + '\n').encode())
    except OSError:
        pass
    text = b''
    while not any('event' not in json.loads(part) for part in text.split(b'\n')[:-1]):
        text += os.read(fd, 1 << 20)
    return next(reply for reply in map(json.loads, text.split(b'\n')[:-1]) if 'event' not in reply)


session = -1
turn = threading.Lock()
rest = b''
replies = []


def pump():
    global rest
    try:
        while True:
            rest += os.read(session, 1 << 16)
    except BlockingIOError:
        pass
    *lines, rest = rest.split(b'\n')
    for line in map(json.loads, lines):
        if 'event' in line:
            say(line)
        else:
            replies.append(line)


def hold(line):
    """A request in the session that holds the leases."""
    global session
    with turn:
        if session < 0:
            session = os.open('.layout/ctl', os.O_RDWR | os.O_NONBLOCK)
        replies.clear()
        try:
            os.write(session, (json.dumps(line) + '\n').encode())
        except OSError:
            pass
        while not replies:
            select.select([session], [], [], 0.05)
            pump()
        return replies.pop()


def listen():
    """Events of the session as they come."""
    while True:
        if session >= 0 and select.select([session], [], [], 0.05)[0]:
            with turn:
                pump()
        elif session < 0:
            threading.Event().wait(0.01)


def chmod(path, mode):
    os.chmod(path, mode)


def pid():
    return os.getpid()


COMMANDS = {
    f.__name__: f
    for f in (write, fallocate, truncate, open_truncating, copy, read, look, map_private, fsync, store_shared, verb, hold, chmod, pid)
} | {
    'rename': os.rename,
    'unlink': os.unlink,
    'setxattr': lambda path, key, value: os.setxattr(path, key, value.encode()),
    'link': os.link,
    'stat_size': lambda path: os.stat(path).st_size,
    'exists': os.path.exists,
}


def work(n, do, args):
    try:
        say({'answer': n, 'value': COMMANDS[do](*args)})
    except OSError as e:
        say({'answer': n, 'errno': name(e.errno)})
    except Exception as e:
        say({'answer': n, 'error': repr(e)})


threading.Thread(target=listen, daemon=True).start()
for line in sys.stdin:
    command = json.loads(line)
    threading.Thread(target=work, args=(command['n'], command['do'], command['args']), daemon=True).start()
os._exit(0)
