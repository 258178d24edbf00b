"""
A writer or reader of `npm run soak:direct`: direct.py writer|reader NUMBER SEED, in the mount.

Each block of the files /d0, /d1 … has one writer: number = block modulo writers. A version of a block is its number, file
and version, repeated to its end. Two tables in shared memory (files outside of the mount) say which version was stored
last (before it is stored) and which was committed last (after the reply): what is read is never older than the second nor
newer than the first.
"""
import errno, mmap, os, random, re, struct, sys, time

FILES, BLOCKS, BLOCK, WRITERS = 4, 64, 4096, 3
SIZE = BLOCKS * BLOCK
role, number, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)


def table(name):
    return memoryview(mmap.mmap(os.open(os.environ['ROOT'] + '/' + name, os.O_RDWR), FILES * BLOCKS * 8)).cast('Q')


stored, committed = table('stored'), table('committed')


def pattern(file, block, version):
    return struct.pack('<QQ', file * BLOCKS + block, version) * (BLOCK // 16)


class Refused(Exception):
    pass


class Session:
    def __init__(self):
        self.fd = os.open('.layout/ctl', os.O_RDWR | os.O_NONBLOCK)
        self.events = []

    def read(self):
        text = b''
        try:
            while True: text += os.read(self.fd, 65536)
        except BlockingIOError: pass
        lines = text.decode().splitlines()
        self.events += [line for line in lines if line.startswith('event')]
        return '\n'.join(line for line in lines if not line.startswith('event'))

    def ask(self, line):
        try: os.write(self.fd, (line + '\n').encode())
        except OSError as e:
            raise Refused(errno.errorcode[e.errno], self.read())
        return self.read()

    def wanted_back(self):
        self.read()
        return any(' recall ' in e or e.startswith('event recall') or 'revoked' in e for e in self.events)


def write_some(session):
    file, through = chance.randrange(FILES), chance.choice(['device', 'guarded', 'pwrite'])
    try:
        reply = session.ask(f'get path=/d{file} kind=direct wait=2')
    except Refused as refused:
        if refused.args[0] == 'ENXIO': session.ask(f'prepare path=/d{file}')
        return
    lease = re.search(r'id=(\d+)', reply)[1]
    session.events.clear()
    extents = [tuple(int(re.search(key + r'=(\d+)', line)[1]) for key in ('offset', 'device', 'length'))
               for line in session.ask(f'map id={lease}').splitlines() if line.startswith(' ')]
    window = os.open(f'.layout/{"device" if through == "device" else "lease"}/{lease}', os.O_RDWR)
    try:
        if through == 'device':
            maps = [(offset, mmap.mmap(window, length, offset=device)) for offset, device, length in extents]
        elif through == 'guarded': maps = [(0, mmap.mmap(window, SIZE))]
        else: maps = []
        answers = chance.random() < 0.7
        for _ in range(chance.randrange(1, 20)):
            if session.wanted_back() and answers: break
            blocks = sorted(chance.sample(range(number, BLOCKS, WRITERS), chance.randrange(1, 5)))
            for block in blocks:
                at = file * BLOCKS + block
                stored[at] += 1
                bytes_ = pattern(file, block, stored[at])
                if through == 'pwrite': os.pwrite(window, bytes_, block * BLOCK)
                for offset, mapping in maps:
                    if offset <= block * BLOCK < offset + len(mapping): mapping[block * BLOCK - offset:(block + 1) * BLOCK - offset] = bytes_
            done = [(block, stored[file * BLOCKS + block]) for block in blocks]
            session.ask(f'commit id={lease} ranges=' + ','.join(f'{b * BLOCK}-{(b + 1) * BLOCK}' for b in blocks))
            for block, version in done: committed[file * BLOCKS + block] = version
            if not answers: time.sleep(chance.random() * 0.3)
        session.ask(f'return id={lease}')
    finally: os.close(window)


def reader():
    fds = {}
    page = mmap.mmap(-1, BLOCK)
    while True:
        file, block, how = chance.randrange(FILES), chance.randrange(BLOCKS), chance.choice(['fresh', 'kept', 'direct', 'window'])
        at = file * BLOCKS + block
        least = committed[at]
        try:
            if how == 'kept':
                fd = fds.setdefault(file, os.open(f'd{file}', os.O_RDONLY)) if file not in fds else fds[file]
                got = os.pread(fd, 16, block * BLOCK)
            else:
                path = f'.layout/direct/d{file}' if how == 'window' else f'd{file}'
                fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if how == 'direct' else 0))
                try:
                    os.preadv(fd, [page], block * BLOCK)
                    got = page[0:16]
                finally: os.close(fd)
        except OSError as e:
            if how == 'window' and e.errno in (errno.EAGAIN, errno.ENXIO, errno.EIO): continue
            raise
        who, version = struct.unpack('<QQ', got)
        most = stored[at]
        if version != 0 and (who != at or not least <= version <= most):
            print(f'd{file} block {block} read {how}: is block {who} version {version}, not {least} to {most}', flush=True)
            sys.exit(1)
        if version == 0 and least != 0:
            print(f'd{file} block {block} read {how}: empty, not version {least}', flush=True)
            sys.exit(1)


if role == 'reader': reader()
while True:
    session = Session()
    try:
        for _ in range(20): write_some(session)
    except Refused as refused:
        if refused.args[0] not in ('ESTALE', 'EPERM', 'EBUSY', 'ENOENT', 'EAGAIN', 'ETXTBSY', 'ETIMEDOUT', 'ENXIO', 'EINVAL'): raise
    except OSError as e:
        if e.errno not in (errno.EIO, errno.ENOENT, errno.EAGAIN): raise
    finally: os.close(session.fd)
