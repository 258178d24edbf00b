import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { describeMounted, layoutfs, type MountedVolume, mountVolume } from '../harness/index.ts';

/** Runs a command on a terminal of its own (COLUMNS 100), presses Ctrl-C when `until` is true, and tells what was seen. */
const TERMINAL = `
import fcntl, json, os, pty, select, struct, sys, termios, time
until, command = sys.argv[1], sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'xterm'
    os.execvp(command[0], command)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0))
seen, pressed = b'', until == ''
while True:
    if not pressed and os.system(until) == 0:
        os.write(fd, b'\\x03')
        pressed = True
    if select.select([fd], [], [], 0.05)[0]:
        try:
            part = os.read(fd, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
_, status = os.waitpid(pid, 0)
print(json.dumps({'code': os.waitstatus_to_exitcode(status), 'seen': seen.decode('utf8', 'replace')}))`;

interface Seen {
  code: number;
  seen: string;
}

describeMounted('commands that take long', ['python3'], () => {
  vi.setConfig({ testTimeout: 180_000 });
  let volume: MountedVolume;

  beforeAll(async () => {
    volume = await mountVolume({ size: '512m', deadline: 600_000 });
  });
  afterAll(() => volume?.dispose());

  async function terminal(until: string, ...args: string[]): Promise<Seen> {
    const command = [process.execPath, layoutfs, ...args];
    const { stdout, stderr } = await volume.run('python3', ['-c', TERMINAL, until, ...command], {
      cwd: '/',
      timeout: 60_000,
    });
    expect(stderr).toBe('');
    return JSON.parse(stdout) as Seen;
  }

  it('relocate: Ctrl-C ends it while a holder is asked; nothing is half moved', async () => {
    // More than one piece, most of it without data: nothing is to be copied.
    await volume.bash('head -c 1M /dev/urandom > big; fallocate -l 70M big; sync big; sha256sum big > "$ROOT/sum"');
    const holder = volume.start('bash', [
      '-c',
      `exec 3<> "$MNT/.layout/ctl"; echo 'get path=/big kind=layout' >&3; read -r line <&3; echo "$line"; exec sleep 100`,
    ]);
    await new Promise((resolve) => holder.stdout!.once('data', resolve));
    const waits = `grep -q relocate '${volume.dir}/.layout/waiters'`;
    const { code, seen } = await terminal(waits, 'relocate', join(volume.dir, 'big'), '--wait', '60s');
    expect(seen).toContain('interrupted: nothing was moved');
    expect(code).toBe(10);
    holder.kill('SIGKILL');
    await volume.bash('until ! grep -q big .layout/leases; do sleep 0.05; done; sha256sum -c "$ROOT/sum"');
    const whole = await volume.layoutfs(['relocate', join(volume.dir, 'big'), '--json']);
    expect(JSON.parse(whole.stdout)).toMatchObject({ ok: true, moved: 70 * 2 ** 20 });
    expect(whole.stderr).toBe('');
    await volume.bash('sha256sum -c "$ROOT/sum"');
  });

  it('defrag makes files contiguous, and leaves those alone that somebody holds', async () => {
    await volume.bash(`
      mkdir scattered; for f in a held; do head -c 2M /dev/urandom > scattered/$f; done; sync scattered/*
      echo small > scattered/b; sha256sum scattered/* > "$ROOT/sums"`);
    for (const file of ['a', 'held']) {
      const { code, stdout } = await volume.layoutfs([
        'relocate',
        join(volume.dir, 'scattered', file),
        '--range',
        '64k-128k',
      ]);
      expect(code, stdout).toBe(0);
    }
    const places = async (file: string): Promise<number> => {
      const { stdout } = await volume.layoutfs(['lease', 'map', join(volume.dir, file), '--json']);
      return (JSON.parse(stdout) as { extents: unknown[] }).extents.length;
    };
    expect(await places('scattered/a')).toBeGreaterThan(1);
    const holder = volume.start('bash', [
      '-c',
      `exec 3<> "$MNT/.layout/ctl"; echo 'get path=/scattered/held kind=direct' >&3; read -r line <&3; echo "$line"; exec sleep 100`,
    ]);
    await new Promise((resolve) => holder.stdout!.once('data', resolve));
    const { code, stdout } = await volume.layoutfs(['defrag', join(volume.dir, 'scattered'), '--json']);
    expect(code, stdout).toBe(0);
    const result = JSON.parse(stdout) as { files: number; outcomes: { path: string; after: number; left?: string }[] };
    expect(result.files).toBe(3);
    expect(result.outcomes.find(({ path }) => path.endsWith('/a'))).toMatchObject({ after: 1 });
    expect(result.outcomes.length, 'what lies well is left alone').toBe(2);
    expect(result.outcomes.find(({ path }) => path.endsWith('/held'))?.left).toMatch(
      /^lease \d+ of \d+ \((bash|sleep)\)$/,
    );
    expect(await volume.bash('wc -l < .layout/leases')).toBe('2\n');
    holder.kill('SIGKILL');
    await volume.bash('sha256sum --quiet -c "$ROOT/sums"');
  });

  it('drain empties a range, and counts what it moved', async () => {
    const holder = volume.start('bash', [
      '-c',
      `exec 3<> "$MNT/.layout/ctl"; echo 'get path=/big kind=layout' >&3; read -r line <&3; echo "$line"; exec sleep 100`,
    ]);
    await new Promise((resolve) => holder.stdout!.once('data', resolve));
    // While a holder is asked there is something left to come to, and an end that is known.
    const waits = `grep -q '^layoutfs_drain_pending_blocks [1-9]' '${volume.dir}/.layout/stats' && grep -q drain '${volume.dir}/.layout/waiters' && sleep 1`;
    const asking = await terminal(waits, 'drain', volume.dir, '--range', '0-', '--wait', '60s');
    expect(asking.code).toBe(10);
    expect(asking.seen).toMatch(/drain .*\d% {2}\d/);
    holder.kill('SIGKILL');
    await volume.bash('until ! grep -q big .layout/leases; do sleep 0.05; done');
    const { code, stdout } = await volume.layoutfs(['drain', volume.dir, '--range', '0-64m', '--json']);
    expect(code, stdout).toBe(0);
    const { moved } = JSON.parse(stdout) as { moved: number };
    const stats = await volume.bash('cat .layout/stats');
    expect(stats).toMatch(/^layoutfs_drain_pending_blocks 0$/m);
    const blocks = Number(/^layoutfs_moved_blocks_total (\d+)$/m.exec(stats)?.[1]);
    expect(blocks * 4096).toBeGreaterThanOrEqual(moved);
    await volume.bash('sha256sum --quiet -c "$ROOT/sum" "$ROOT/sums"');
  });

  it('backup leaves no half copy where it can not be made, and fsck shows a bar on a terminal alone', async () => {
    const copy = join(volume.root, 'copy');
    expect((await volume.layoutfs(['backup', volume.dir, copy])).code).toBe(0);
    expect(existsSync(copy)).toBe(true);
    await volume.unmount();
    const { code, seen } = await terminal('', 'fsck', volume.image, '--progress');
    expect(code).toBe(0);
    expect(seen).toMatch(/\r\x1b\[Kfsck: \d+\/\d+ \w+/);
    expect(seen).toMatch(/\r\x1b\[K[^\r]*: clean; /);
    const plain = await volume.layoutfs(['fsck', volume.image, '--progress']);
    expect(plain.stderr).toMatch(/^(\[\d+\/\d+\] \S+\n)+$/);
    expect((await volume.layoutfs(['fsck', volume.image])).stderr).toBe('');
    await volume.remount();
  });
});
