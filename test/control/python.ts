import { expect } from 'vitest';
import type { MountedVolume } from '../harness/index.ts';

/** Python with a session: `ask(line)` gives the reply, or `ERRNAME reply` when the write failed. */
const PRELUDE = `
import errno, mmap, os, re, signal, sys, time
def name(e):
    return {'EDEADLOCK': 'EDEADLK'}.get(errno.errorcode[e.errno], errno.errorcode[e.errno])
def session():
    return os.open('.layout/ctl', os.O_RDWR | os.O_NONBLOCK)
def ask(fd, line):
    error = ''
    try: os.write(fd, (line + '\\n').encode())
    except OSError as e: error = name(e) + ' '
    text = b''
    try:
        while True: text += os.read(fd, 65536)
    except BlockingIOError: pass
    lines = [line for line in text.decode().splitlines() if not line.startswith('event ')]
    return error + '\\n'.join(lines)
def lease(reply):
    return int(re.search(r'^ok id=(\\d+)', reply)[1])
def attempt(what, f):
    try: print(what, f())
    except OSError as e: print(what, name(e))
def read(path, n, at=0):
    fd = os.open(path, os.O_RDONLY)
    try: return os.pread(fd, n, at)
    finally: os.close(fd)
`;

/** Runs a script in the mount, with what is above at hand, and gives its lines; it must not write to stderr. */
export async function runPython(volume: MountedVolume, script: string, timeout = 30_000): Promise<string[]> {
  const result = await volume.run('python3', ['-c', PRELUDE + script], { timeout });
  expect(result.stderr).toBe('');
  return result.stdout.trim().split('\n');
}
