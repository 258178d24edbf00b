"""Copies a stream of events to stdout: stream-reader.py PATH MODE. `block`: it waits in read(2); `poll`: in poll(2);
`bytes`: it reads 37 bytes at a time, so that lines are read
in parts, and yet fast enough not to be told of an overflow."""
import os
import select
import sys

path, mode = sys.argv[1], sys.argv[2]
fd = os.open(path, os.O_RDONLY | (os.O_NONBLOCK if mode == 'poll' else 0))
os.write(2, b'open\n')
if mode == 'poll':
    poll = select.poll()
    poll.register(fd, select.POLLIN)
while True:
    if mode == 'poll':
        poll.poll()
    try:
        part = os.read(fd, 37 if mode == 'bytes' else 4096)
    except BlockingIOError:
        continue
    os.write(1, part)
