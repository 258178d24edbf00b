import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { ConnectionInfo } from '../../src/fuse/init.ts';
import { cloneDevice } from '../../src/fuse/mount.ts';
import { FOPEN, OP, POLL_SCHEDULE_NOTIFY, ROOT_ID } from '../../src/fuse/protocol.ts';
import { putOpen, putPoll } from '../../src/fuse/replies.ts';
import type { Request } from '../../src/fuse/request.ts';
import { POLL } from '../../src/system/constants.ts';
import { E } from '../../src/system/errno.ts';
import { close } from '../../src/system/libc.ts';
import { mappingsOf } from '../../src/system/process.ts';
import { bash, describeMounted, ended, run, until } from '../harness/index.ts';
import { MountedExample } from './mounted-example.ts';

let mounted: MountedExample | undefined;
afterEach(async () => {
  const reports = mounted?.reports ?? [];
  await mounted?.close();
  mounted = undefined;
  expect(reports).toEqual([]);
});

function start(content: Uint8Array | string, seconds?: number, flags?: number): MountedExample {
  mounted = new MountedExample(typeof content === 'string' ? Buffer.from(content) : content, seconds, flags);
  return mounted;
}

const timeout = { timeout: 12_000 };

describeMounted('a mounted session', ['python3', 'dd', 'cat'], () => {
  test('bytes, attributes and names pass unharmed, in requests as large as agreed on', async () => {
    const content = randomBytes(3 * 2 ** 20 + 777);
    const m = start(content);
    const sizes: number[] = [];
    const { handlers } = m.example;
    const [read, write] = [handlers[OP.READ], handlers[OP.WRITE]];
    handlers[OP.READ] = (r) => {
      sizes.push(r.u32(16));
      read?.(r);
    };
    handlers[OP.WRITE] = (r) => {
      sizes.push(-r.u32(16));
      write?.(r);
    };
    const hash = createHash('sha256').update(content).digest('hex');
    expect(await bash(`dd if=${m.file} bs=1M status=none | sha256sum`, timeout)).toContain(hash);
    expect(Math.max(...sizes)).toBe(2 ** 20);
    await bash(`head -c 2097152 /dev/zero | tr '\\0' x | dd of=${m.file} bs=1M iflag=fullblock conv=notrunc`, timeout);
    expect(Math.min(...sizes)).toBe(-(2 ** 20));
    const expected = Buffer.concat([Buffer.alloc(2 ** 21, 'x'), content.subarray(2 ** 21)]);
    expect(readFileSync(m.backing).equals(expected)).toBe(true);
    expect(await bash(`ls ${m.dir}; stat -c '%s %X %Y %Z %a' ${m.file}`, timeout)).toBe(
      `data\n${content.length} 1 2 -3 644\n`,
    );
    expect((await run('cat', [`${m.dir}/none`], timeout)).stderr).toContain('No such file');
    expect(m.session.info.minor).toBeGreaterThanOrEqual(31);
    expect(await m.close()).toBe('unmounted');
    mounted = undefined;
  });

  test('an aborted connection ends the session, and says so', async () => {
    const m = start('x');
    await bash(`cat ${m.file}`, timeout);
    m.abort();
    expect(await m.ended).toBe('aborted');
  });

  test('an idle session takes no processor time and leaves timers alone', async () => {
    const m = start('x');
    await bash(`cat ${m.file}`, timeout);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = process.cpuUsage();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    await new Promise((resolve) => setTimeout(resolve, 500));
    clearInterval(timer);
    const { user, system } = process.cpuUsage(before);
    expect(user + system).toBeLessThan(250_000); // microseconds of 500,000; a loop that spins takes all of them
    expect(ticks).toBeGreaterThan(20);
  });

  test('a killed caller goes as soon as its interrupted request is answered', async () => {
    const m = start('x');
    let interrupted = false;
    m.example.handlers[OP.READ] = (r) => {
      const waiting = r.park();
      waiting.onInterrupt = () => {
        interrupted = true;
        waiting.error(E.INTR);
      };
    };
    const child = spawn('cat', [m.file]);
    await until('read', 5000, () => m.session.parkedCount === 1);
    child.kill('SIGKILL');
    expect(await ended(child, 5000)).toBe('SIGKILL');
    expect(interrupted).toBe(true);
    expect(m.session.parkedCount).toBe(0);
  });

  test('invalidations make the kernel ask again', async () => {
    const m = start('before', 3600, FOPEN.KEEP_CACHE);
    let lookups = 0;
    const lookup = m.example.handlers[OP.LOOKUP];
    m.example.handlers[OP.LOOKUP] = (r) => {
      lookups++;
      lookup?.(r);
    };
    const cat = () => bash(`cat ${m.file}`, timeout);
    expect(await cat()).toBe('before');
    writeFileSync(m.backing, 'after!');
    expect(await cat()).toBe('before');
    expect(await m.session.notifier.invalInode(2, 0, 0)).toBe(0);
    expect(await cat()).toBe('after!');
    expect(lookups).toBe(1);
    expect(await m.session.notifier.invalEntry(ROOT_ID, Buffer.from('data'))).toBe(0);
    await cat();
    expect(lookups).toBe(2);
    if (m.session.info.has('HAS_EXPIRE_ONLY')) {
      expect(await m.session.notifier.expireEntry(ROOT_ID, Buffer.from('data'))).toBe(0);
      await cat();
      expect(lookups).toBe(3);
    }
    expect(await m.session.notifier.delete(ROOT_ID, 2, Buffer.from('data'))).toBe(0);
    expect(await m.session.notifier.invalInode(999, 0, 0)).toBe(-E.NOENT);
    expect(await m.session.notifier.invalEntry(ROOT_ID, Buffer.from('none'))).toBe(-E.NOENT);
    await cat();
    expect(await m.session.notifier.store(2, 0, Buffer.from('STORED'))).toBe(0);
    expect(await cat()).toBe('STORED');
  });

  test('an invalidation that waits for a parked request holds up neither the state thread nor the next one', async () => {
    const m = start('x'.repeat(4096), 3600, FOPEN.KEEP_CACHE);
    const read = m.example.handlers[OP.READ];
    const parked: Request[] = [];
    m.example.handlers[OP.READ] = (r) => parked.push(r.park());
    const child = spawn('cat', [m.file]);
    await until('read', 5000, () => parked.length === 1);
    let first: number | undefined;
    const waiting = m.session.notifier.invalInode(2, 0, 0).then((r) => {
      first = r;
    });
    expect(await m.session.notifier.invalEntry(ROOT_ID, Buffer.from('none'))).toBe(-E.NOENT);
    expect(await bash(`stat -c %s ${m.file}`, timeout)).toBe('4096\n');
    expect(first).toBeUndefined();
    m.example.handlers[OP.READ] = read;
    m.session.redispatch(parked[0]);
    await waiting;
    expect(first).toBe(0);
    expect(await ended(child, 5000)).toBe(0);
  });

  test('a poll is woken', async () => {
    const m = start('x');
    let ready = 0;
    let kh: number | undefined;
    m.example.handlers[OP.POLL] = (r) => {
      if (r.u32(16) & POLL_SCHEDULE_NOTIFY) kh = r.u64(8);
      r.ok(putPoll(r.out.view, r.out.start, ready));
    };
    const script =
      'import select,sys; f=open(sys.argv[1]); p=select.poll(); p.register(f, select.POLLIN); print(p.poll(8000))';
    const child = run('python3', ['-c', script, m.file], timeout);
    await until('poll', 5000, () => kh !== undefined);
    ready = POLL.IN;
    expect(await m.session.notifier.poll(kh as number)).toBe(0);
    expect((await child).stdout).toMatch(/^\[\(\d+, 1\)\]/);
  });

  test('requests that a session left unanswered come again to the next one', async (context) => {
    const m = start('kept across');
    const read = m.example.handlers[OP.READ];
    m.example.handlers[OP.READ] = (r) => void r.park();
    const child = run('cat', [m.file], timeout);
    await until('read', 5000, () => m.session.parkedCount === 1);
    m.session.stop();
    expect(await m.ended).toBe('stopped');
    const saved = JSON.parse(JSON.stringify(m.session.info));
    const resent: boolean[] = [];
    m.example.handlers[OP.READ] = (r) => {
      resent.push(r.resent);
      read?.(r);
    };
    m.session = m.start({ saved });
    m.ended = m.session.run();
    if (!new ConnectionInfo(saved).has('HAS_RESEND')) {
      m.abort();
      context.skip('the kernel has no RESEND');
    }
    expect(await m.session.notifier.resend()).toBe(0);
    expect((await child).stdout).toBe('kept across');
    expect(resent[0]).toBe(true);
  });

  test('passthrough: the backing file is what is read and mapped, and its mappers are found', async (context) => {
    const m = start('not this', 0, 0);
    await bash(`stat ${m.file}`, timeout);
    if (!m.session.info.has('PASSTHROUGH')) context.skip('the kernel has no passthrough');
    const other = `${m.root}/other`;
    writeFileSync(other, 'the backing file');
    m.example.file.size = 16;
    const fd = openSync(other, 'r+');
    const id = m.session.backingOpen(fd);
    closeSync(fd);
    expect(id).toBeGreaterThan(0);
    m.example.handlers[OP.OPEN] = (r) => r.ok(putOpen(r.out.view, r.out.start, 9, FOPEN.PASSTHROUGH, id));
    const script =
      'import mmap,os,sys; fd=os.open(sys.argv[1], os.O_RDWR); m=mmap.mmap(fd, 16); s=os.fstat(fd); m[0:3]=b"THE"; ' +
      'print("%x:%x" % (os.major(s.st_dev), os.minor(s.st_dev)), m[:].decode(), flush=True); sys.stdin.read()';
    const child = spawn('python3', ['-c', script, m.file]);
    const line = String(await new Promise((resolve) => child.stdout.once('data', resolve)));
    expect(line).toContain('THE backing file');
    expect(readFileSync(other, 'utf8')).toBe('THE backing file');
    const [major, minor] = line
      .split(' ')[0]
      .split(':')
      .map((part) => part.padStart(2, '0'));
    const { mappings } = mappingsOf([{ device: `${major}:${minor}`, ino: 2 }]);
    expect(mappings.map((mapping) => mapping.pid)).toEqual([child.pid]);
    child.stdin.end();
    expect(await ended(child, 5000)).toBe(0);
    expect(m.session.backingClose(id)).toBe(0);
    expect(m.session.backingClose(id)).toBe(-E.NOENT);
    expect(m.session.backingOpen(-1)).toBe(-E.BADF);
  });

  test('a clone of the descriptor belongs to the same connection', async () => {
    const m = start('x');
    await bash(`cat ${m.file}`, timeout);
    const clone = cloneDevice(m.fd);
    expect(clone).toBeGreaterThan(m.fd);
    close(clone);
    expect(() => cloneDevice(0)).toThrow('FUSE_DEV_IOC_CLONE');
  });
});
