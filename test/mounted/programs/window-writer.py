"""Writes into an open window and reads back what it wrote: window-writer.py PATH PAGES STOPFILE. By pwrite and by stores
into a mapping in turn, with fsync and msync. Says `ready`, a dot for each 50 writes, and at the end the SHA-256 of all."""
import hashlib
import mmap
import os
import sys
import time

path, pages, stop = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PAGE = 4096
fd = os.open(path, os.O_RDWR)
view = mmap.mmap(fd, pages * PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
known = [bytes(view[p * PAGE:(p + 1) * PAGE]) for p in range(pages)]
print('ready', flush=True)
i = 0
while not os.path.exists(stop):
    page = i * 7 % pages
    data = (b'%015d\n' % i) * (PAGE // 16)
    if i % 2 == 0:
        assert os.pwrite(fd, data, page * PAGE) == PAGE
    else:
        view[page * PAGE:(page + 1) * PAGE] = data
    known[page] = data
    if i % 10 == 1:
        view.flush(page * PAGE, PAGE)
    if i % 25 == 0:
        os.fsync(fd)
    other = i * 11 % pages
    for got in (os.pread(fd, PAGE, other * PAGE), view[other * PAGE:(other + 1) * PAGE]):
        if got != known[other]:
            sys.exit('page %d after %d writes: %r, expected %r' % (other, i, got[:16], known[other][:16]))
    i += 1
    if i % 50 == 0:
        print('.', end='', flush=True)
    time.sleep(0.002)
view.flush()
print('\n%s' % hashlib.sha256(b''.join(known)).hexdigest(), flush=True)
view.close()
os.close(fd)
