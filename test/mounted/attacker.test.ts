import { chmodSync, statSync } from 'node:fs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';
import { Holder } from './holder.ts';

/** nobody: a user with no rights at all. */
const NOBODY = 65534;
const SECRET = 'the secret of somebody else';

let volume: MountedVolume;
let victim: Holder;
let lease: number;
let device: number;

vi.setConfig({ testTimeout: 90_000 });

/** A program of the attacker: JavaScript with `fs`, MNT, LEASE, DEVICE; says what it got as JSON. */
async function attack(script: string): Promise<unknown> {
  const { stdout, stderr } = await volume.run(
    process.execPath,
    ['-e', `const fs = require('node:fs'); const MNT = process.env.MNT; ${script}`],
    { uid: NOBODY, gid: NOBODY, env: { LEASE: String(lease), DEVICE: String(device) }, timeout: 60_000 },
  );
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

const ATTEMPT = 'const attempt = (f) => { try { return f() ?? "done"; } catch (e) { return e.code ?? String(e); } };';

describeMounted('a user without rights', [], () => {
  beforeAll(async () => {
    volume = await mountVolume({ size: '64m', deadline: 170_000 });
    chmodSync(volume.root, 0o755);
    await volume.bash(
      `for i in $(seq 3000); do echo "${SECRET}"; done | head -c 64k > secret || true; chmod 600 secret; sync secret; mkdir -m 700 closed; tr a a < secret > closed/file; mkdir -m 777 open`,
    );
    victim = await Holder.open(volume);
    const taken = await victim.take('/secret', { mode: 'rw' });
    lease = taken.id;
    device = taken.extents[0].device;
    await victim.take('/closed/file');
  });
  afterAll(() => volume?.dispose());

  it('can open neither the device, nor the metadata, nor anybody’s windows', async () => {
    for (const path of [
      volume.image,
      `${volume.image}.meta`,
      `${volume.image}.meta-wal`,
      `${volume.image}.meta-redo`,
    ]) {
      expect([path, statSync(path).mode & 0o777]).toEqual([path, 0o600]);
    }
    const got = await attack(`${ATTEMPT}
      const paths = ['secret', 'closed/file', '.layout/lease/' + process.env.LEASE, '.layout/device/' + process.env.LEASE,
        '.layout/direct/secret', '.layout/direct/closed/file'];
      console.log(JSON.stringify(paths.map((path) => attempt(() => fs.openSync(MNT + '/' + path, 'r')))));`);
    expect(got).toEqual(['EACCES', 'EACCES', 'EACCES', 'EACCES', 'EACCES', 'EACCES']);
  });

  it('is refused every verb on a file, or a lease, of somebody else', async () => {
    const id = lease;
    const lines = [
      'get path=/secret kind=direct mode=ro',
      'get path=/closed/file kind=layout',
      'map path=/secret',
      `map id=${id}`,
      `return id=${id}`,
      `delay id=${id} for=10s`,
      `downgrade id=${id} kind=layout`,
      `commit id=${id} range=0-4k`,
      `alloc id=${id} range=0-4k`,
      `get path=/secret parent=${id}`,
      'prepare path=/secret',
      'break path=/secret',
      `revoke id=${id}`,
      `expire id=${id} force`,
      `quarantine action=release lease=${id}`,
      'seal path=/secret',
      'unseal path=/secret',
      'clone path=/secret to=/open/copy',
      'collapse path=/secret range=0-4k',
      'insert path=/secret range=0-4k',
      'relocate path=/secret',
      'drain range=0-1m',
      `bind id=${id} handle=1`,
      'freeze',
      'thaw',
      'inject fault=device-lost',
    ];
    const got = (await attack(`${ATTEMPT}
      fs.writeFileSync(MNT + '/open/copy', '');
      const lines = ${JSON.stringify(lines)};
      const fd = fs.openSync(MNT + '/.layout/ctl', 'r+');
      console.log(JSON.stringify(lines.map((line) => attempt(() => { fs.writeSync(fd, line + '\\n'); }))));`)) as string[];
    for (const [i, errno] of got.entries()) expect([lines[i], errno]).toEqual([lines[i], expect.stringMatching(/^E/)]);
    // Whatever was said: the lease is as it was.
    const { leases } = (await victim.must({ verb: 'ls', id: lease })) as unknown as { leases: object[] };
    expect(leases[0]).toMatchObject({ state: 'granted', seq: 1 });
  });

  it('is shown no name that it may not see', async () => {
    const text = (await attack(
      `console.log(JSON.stringify(fs.readFileSync(MNT + '/.layout/leases', 'utf8')));`,
    )) as string;
    // Who may stat a file may know of its leases; what is below a closed directory is not shown.
    expect(text).toContain('/secret');
    expect(text).not.toContain('closed');
  });

  it('gets no rights from a set-user-ID program that writes into its session', async () => {
    const lines = [
      'map path=/secret',
      'clone path=/secret to=/open/loot',
      'freeze',
      `map id=${lease}`,
      `bind id=${lease} handle=1`,
    ];
    // Opened as nobody, written to as root: by the same process, as such a program is after execve(2).
    const script = `const fs = require('node:fs'); const MNT = process.env.MNT; ${ATTEMPT}
      fs.writeFileSync(MNT + '/open/loot', '');
      process.setegid(${NOBODY});
      process.seteuid(${NOBODY});
      const fd = fs.openSync(MNT + '/.layout/ctl', 'r+');
      process.seteuid(0);
      process.setegid(0);
      console.log(JSON.stringify(${JSON.stringify(lines)}.map((line) => attempt(() => { fs.writeSync(fd, line + '\\n'); }))));`;
    const { stdout } = await volume.run(process.execPath, ['-e', script]);
    expect(JSON.parse(stdout)).toEqual(['EACCES', 'EACCES', 'EPERM', 'EPERM', 'EPERM']);
  });

  it('makes no program of its own of a set-user-ID file that it may write to', async () => {
    await volume.bash(
      'mkdir -p suid; for i in 1 2 3 4 5; do head -c 64k /dev/zero > suid/$i; chmod 4777 suid/$i; done; sync .',
    );
    const got = await attack(`
      const ctl = fs.openSync(MNT + '/.layout/ctl', 'r+');
      const reply = Buffer.alloc(4096);
      const ask = (line) => { fs.writeSync(ctl, line + '\\n'); return reply.toString('latin1', 0, fs.readSync(ctl, reply)); };
      fs.writeFileSync(MNT + '/open/program', Buffer.alloc(65536, 1));
      const id = /id=(\\d+)/.exec(ask('get path=/suid/1 kind=layout mode=rw'))[1];
      fs.writeSync(fs.openSync(MNT + '/.layout/lease/' + id, 'r+'), 'mine');
      ask('clone path=/open/program to=/suid/2');
      ask('insert path=/suid/3 range=0-4k');
      ask('collapse path=/suid/4 range=0-4k');
      ask('prepare path=/suid/5 extend range=0-128k');
      console.log(JSON.stringify([1, 2, 3, 4, 5].map((n) => (fs.statSync(MNT + '/suid/' + n).mode & 0o7777).toString(8))));`);
    expect(got).toEqual(['777', '777', '777', '777', '777']);
  });

  it('changes nothing in an immutable or append-only file that it may write to', async () => {
    await volume.bash(
      `mkdir -p fixed; for f in i a; do head -c 64k /dev/zero > fixed/$f; chmod 666 fixed/$f; chown ${NOBODY} fixed/$f; sync fixed/$f; chattr +$f fixed/$f; done`,
    );
    const lines = [
      'get path=/fixed/i kind=layout mode=rw',
      'get path=/fixed/a kind=layout mode=rw',
      'get path=/fixed/a kind=exclusive',
      'prepare path=/fixed/i extend range=0-128k',
      'get path=/fixed/i kind=direct',
    ];
    const got = await attack(`${ATTEMPT}
      const fd = fs.openSync(MNT + '/.layout/ctl', 'r+');
      const open = (path) => attempt(() => fs.openSync(MNT + '/.layout/direct/fixed/' + path, 'r+'));
      const tried = ${JSON.stringify(lines)}.map((line) => attempt(() => { fs.writeSync(fd, line + '\\n'); }));
      console.log(JSON.stringify([...tried, open('i'), open('a')]));`);
    expect(got).toEqual(['EPERM', 'EPERM', 'EPERM', 'EPERM', 'done', 'EPERM', 'EPERM']);
    await volume.bash('chattr -i fixed/i; chattr -a fixed/a');
  });

  it('does not hold up the daemon with a clone to beyond the largest file', async () => {
    const got = await attack(`${ATTEMPT}
      fs.writeFileSync(MNT + '/open/from', Buffer.alloc(4096, 1));
      fs.writeFileSync(MNT + '/open/far', '');
      const fd = fs.openSync(MNT + '/.layout/ctl', 'r+');
      const offsets = [2 ** 52 - 4096, 2 ** 52, 2 ** 53 - 8192];
      console.log(JSON.stringify(offsets.map((to) =>
        attempt(() => { fs.writeSync(fd, 'clone path=/open/from to=/open/far to_offset=' + to + '\\n'); }))));`);
    expect(got).toEqual(['done', 'EFBIG', 'EFBIG']);
  });

  it('occupies the daemon with no more lines than a write takes', async () => {
    const got = await attack(`
      fs.writeFileSync(MNT + '/open/waits', 'x');
      const ctl = fs.openSync(MNT + '/.layout/ctl', 'r+');
      const lines = Buffer.from(('map path=/open/waits' + String.fromCharCode(10)).repeat(40000));
      const taken = fs.writeSync(ctl, lines);
      console.log(JSON.stringify(taken));`);
    // Node goes on with what was not taken, until too many replies are left unread.
    const once = 256 * 'map path=/open/waits\n'.length;
    expect((got as number) % once).toBe(0);
    expect(got).toBeGreaterThan(0);
    expect(got).toBeLessThan(40_000 * (once / 256));
  });

  it('has no process signalled that it may not signal: a holder that became root', async () => {
    await volume.bash(`head -c 64k /dev/zero > open/signal; chown ${NOBODY} open/signal; sync open/signal`);
    // As after execve(2) of a set-user-ID program that made itself root: the same process, of another user.
    const script = `const fs = require('node:fs');
      process.setegid(${NOBODY});
      process.seteuid(${NOBODY});
      const fd = fs.openSync(process.env.MNT + '/.layout/ctl', 'r+');
      fs.writeSync(fd, 'get path=/open/signal kind=direct notify=signal:9\\n');
      fs.writeSync(fd, 'break path=/open/signal\\n');
      setTimeout(() => console.log('alive'), 500);`;
    const { stdout } = await volume.run(process.execPath, ['-e', script]);
    expect(stdout.trim()).toBe('alive');
  });

  it('gets no bytes of others by committing what it did not write', async () => {
    await volume.bash(
      `yes '${SECRET}' | head -c 40m > big || true; sync big; rm big; sync .; while test $(stat -f -c %f .) -lt 12000; do sleep 0.1; done`,
    );
    const got = await attack(`
      const ctl = fs.openSync(MNT + '/.layout/ctl', 'r+');
      const reply = Buffer.alloc(4096);
      const ask = (line) => { fs.writeSync(ctl, line + '\\n'); return reply.toString('latin1', 0, fs.readSync(ctl, reply)); };
      const look = (path) => { const all = fs.readFileSync(path); return [all.length, all.every((byte) => byte === 0)]; };
      const results = ['layout', 'exclusive'].map((kind, at) => {
        const path = MNT + '/open/loot' + at;
        fs.writeFileSync(path, '');
        const id = /id=(\\d+)/.exec(ask('get path=/open/loot' + at + ' mode=rw kind=' + kind))[1];
        ask('alloc id=' + id + ' range=0-16m');
        const said = ask('commit id=' + id + ' range=0-16m').slice(0, 2);
        return [said, ...look(path)];
      });
      console.log(JSON.stringify(results));`);
    expect(got).toEqual([
      ['ok', 2 ** 24, true],
      ['ok', 2 ** 24, true],
    ]);
  });

  it('reaches only its own range through its own window, at whatever offset', async () => {
    const got = (await attack(`${ATTEMPT}
      const path = MNT + '/open/mine';
      fs.writeFileSync(path, Buffer.alloc(16384, 0x6d));
      fs.fsyncSync(fs.openSync(path, 'r'));
      const ctl = fs.openSync(MNT + '/.layout/ctl', fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
      fs.writeSync(ctl, 'get path=/open/mine kind=direct mode=rw range=4k-8k\\n');
      const reply = Buffer.alloc(4096);
      const id = /id=(\\d+)/.exec(reply.toString('latin1', 0, fs.readSync(ctl, reply)))[1];
      const window = fs.openSync(MNT + '/.layout/lease/' + id, 'r+');
      const device = Number(process.env.DEVICE);
      const offsets = [0, 4095, 4096, 8191, 8192, 12288, 16384, device, device - 4096, 2 ** 40, 2 ** 52, 2 ** 52 + device];
      const seen = new Set(), outside = new Set(), results = [];
      for (const at of offsets) {
        const bytes = Buffer.alloc(8192);
        results.push([at, attempt(() => {
          const n = fs.readSync(window, bytes, 0, bytes.length, at);
          bytes.subarray(0, n).forEach((byte, i) => { if (at + i < 4096 || at + i >= 8192) outside.add(byte); else seen.add(byte); });
          return n;
        }), attempt(() => fs.writeSync(window, Buffer.alloc(4096, 0x21), 0, 4096, at))]);
      }
      console.log(JSON.stringify({ results, seen: [...seen], outside: [...outside], mine: fs.readFileSync(path).toString('latin1'),
        mode: attempt(() => fs.openSync(MNT + '/.layout/device/' + id, 'r')) }));`)) as {
      results: [number, number | string, number | string][];
      seen: number[];
      outside: number[];
      mine: string;
      mode: string;
    };
    for (const byte of got.seen) expect([0x6d, 0x21]).toContain(byte);
    for (const byte of got.outside) expect(byte).toBe(0);
    for (const [at, , written] of got.results)
      expect([at, written]).toEqual([at, at === 4096 ? 4096 : expect.any(String)]);
    expect(got.mode).toBe('EACCES');
    // Nothing outside of the leased block changed, of the own file and of the other one.
    expect(got.mine.slice(0, 4096)).toBe('m'.repeat(4096));
    expect(got.mine.slice(8192)).toBe('m'.repeat(8192));
    const bytes = await volume.bash('cat secret');
    expect(bytes).toBe(`${SECRET}\n`.repeat(3000).slice(0, 65_536));
  });

  it('loses its window with its blocks, before somebody else gets them', async () => {
    const got = (await attack(`${ATTEMPT}
      const path = MNT + '/open/gone';
      fs.writeFileSync(path, Buffer.alloc(65536, 0x67));
      fs.fsyncSync(fs.openSync(path, 'r'));
      const ctl = fs.openSync(MNT + '/.layout/ctl', fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
      fs.writeSync(ctl, 'get path=/open/gone kind=direct mode=rw\\n');
      const reply = Buffer.alloc(4096);
      const id = /id=(\\d+)/.exec(reply.toString('latin1', 0, fs.readSync(ctl, reply)))[1];
      const window = fs.openSync(MNT + '/.layout/lease/' + id, 'r+');
      const bytes = Buffer.alloc(4096);
      const before = attempt(() => fs.readSync(window, bytes, 0, 4096, 0));
      fs.writeSync(ctl, 'return id=' + id + '\\n');
      fs.truncateSync(path, 0);
      const after = attempt(() => fs.readSync(window, bytes, 0, 4096, 0));
      const write = attempt(() => fs.writeSync(window, bytes, 0, 4096, 0));
      console.log(JSON.stringify({ before, after, write }));`)) as Record<string, unknown>;
    expect(got.before).toBe(4096);
    // Errors both, not numbers of bytes; Node has no name for one of them.
    expect([got.after, got.write]).toEqual([expect.any(String), expect.any(String)]);
  });
});
