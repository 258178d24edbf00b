import { closeSync, openSync, readFileSync, readSync, unlinkSync, writeFileSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { checkout, describeMounted, ended, type MountedVolume, mountVolume, sleep, until } from '../harness/index.ts';
import { Holder } from './holder.ts';
import { killDaemon, standBy } from './supervision.ts';

/** How often the daemon is killed under load; `npm run soak:restart` says more. */
const ROUNDS = Number(process.env.LAYOUTFS_RESTART_ROUNDS ?? 5);
/** So many files are there meanwhile. */
const FILES = Number(process.env.LAYOUTFS_RESTART_FILES ?? 0);
/** Only where it is to take long: a compiler, and fio, which checks what it wrote. */
const LONG = ROUNDS > 20;
const programs = join(checkout, 'test', 'mounted', 'programs');

let volume: MountedVolume | undefined;

afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

/** The end of a program that was told to stop, with what it said; it must have succeeded. */
async function success(program: ReturnType<MountedVolume['start']>): Promise<string> {
  let said = '';
  program.stdout!.on('data', (part: Buffer) => {
    said += part;
  });
  program.stderr!.on('data', (part: Buffer) => {
    said += part;
  });
  const code = await ended(program, 120_000 + ROUNDS * 5000);
  expect(code, said).toBe(0);
  return said.trim();
}

describeMounted('a dead daemon is not a dead mount', ['git', 'bash', ...(LONG ? ['cc', 'make', 'fio'] : [])], () => {
  it(
    `programs notice nothing of ${ROUNDS} SIGKILLs`,
    async () => {
      volume = await mountVolume({ supervised: true, deadline: 200_000 + ROUNDS * 10_000 + FILES * 10 });
      const mounted = volume;
      const stop = join(volume.root, 'stop');
      await volume.bash(
        'mkdir a b repo; git init -q repo; head -c 4M /dev/urandom > leased; head -c 1M /dev/zero > spare',
      );
      const before = readFileSync(join(volume.dir, 'leased'));
      if (FILES > 0) {
        const make = `mkdir many; cd many; seq ${FILES} | xargs -n 1000 touch; cd ..; sync many`;
        await volume.bash(make, { timeout: 600_000 });
      }
      const more = LONG
        ? [
            volume.start('bash', [
              '-c',
              `cd "$MNT" && mkdir cc && cd cc && for ((i = 0; ; i++)); do
                 [ -e "${stop}" ] && break
                 for ((f = 0; f < 5; f++)); do echo "int f$f(int x) { return x + $i; }" > f$f.c; done
                 echo 'int f0(int); int main(void) { return f0(0) != '$i'; }' > main.c
                 make -s -j2 -f - <<< $'main: main.o f0.o f1.o f2.o f3.o f4.o\n\tcc -o $@ $^' || exit 1
                 ./main || exit 1; touch ./*.c
               done; echo "$i builds"`,
            ]),
            volume.start('bash', [
              '-c',
              `cd "$MNT" && mkdir fio && for ((i = 0; ; i++)); do
                 [ -e "${stop}" ] && break
                 fio --name=v --directory=fio --size=8m --bs=4k --rw=randwrite --verify=crc32c --do_verify=1 \
                   --fsync=64 --output="$ROOT/fio.log" || exit 1
               done; echo "$i times fio"`,
            ]),
          ]
        : [];
      const running = [
        volume.start('bash', [join(programs, 'steps.sh'), join(volume.dir, 'a'), stop]),
        volume.start('bash', [join(programs, 'steps.sh'), join(volume.dir, 'b'), stop]),
        volume.start(process.execPath, [
          '--import',
          'tsx',
          join(programs, 'sqlite-writer.ts'),
          join(volume.dir, 'db'),
          stop,
        ]),
        volume.start('bash', [
          '-c',
          `cd "$MNT/repo" && git config user.email a@b && git config user.name a && git config gc.auto 0 &&
           for ((i = 0; ; i++)); do
             [ -e "${stop}" ] && break
             echo $i > f$((i % 7)) && git add . && git commit -qm "commit $i" || exit 1
           done
           [ "$(git rev-list --count HEAD)" = $i ] && git fsck --strict && [ -z "$(git status --porcelain)" ]`,
        ]),
        ...more,
      ].map(success);
      for (const end of running) end.catch(() => {});
      const holder = await Holder.open(volume);
      const { id } = await holder.take('/leased');
      const pauses: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        // Once while the next daemon still loads its program.
        if (round !== 1) await standBy(mounted);
        await sleep(200 + 100 * (round % 5));
        pauses.push(await killDaemon(mounted));
        const map = await holder.must({ verb: 'map', id });
        expect(map.ok, 'the lease goes on').toBe(true);
        const other = await holder.take('/spare');
        await holder.must({ verb: 'return', id: other.id });
      }
      writeFileSync(stop, '');
      const said = await Promise.all(running);
      for (const text of said.slice(0, 2)) expect(text).toMatch(/^\d+ steps$/);
      expect(holder.events, 'nobody recalled anything').toEqual([]);
      const truncate = volume.bash('truncate -s 0 leased', { timeout: 60_000 });
      const recall = await holder.event('recall');
      expect(recall.lease).toBe(id);
      expect(readFileSync(join(volume.dir, 'leased')).equals(before)).toBe(true);
      await holder.must({ verb: 'return', id });
      await truncate;
      console.log(`pauses: ${pauses.join(' ')} ms; ${said.filter((text) => text !== '').join(', ')}`);
      await holder.kill();
      await volume.unmount();
      const fsck = await volume.layoutfs(['fsck', volume.image]);
      expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
    },
    200_000 + ROUNDS * 10_000 + FILES * 10,
  );

  it('open files without names, waiting operations and their leases go on', async () => {
    volume = await mountVolume({ supervised: true, options: 'break=60,patience=60' });
    const nameless = join(volume.dir, 'nameless');
    writeFileSync(nameless, 'still here');
    const fd = openSync(nameless, 'r+');
    unlinkSync(nameless);
    const target = join(volume.dir, 'target');
    writeFileSync(target, Buffer.alloc(65536, 1));
    const holder = await Holder.open(volume);
    const { id } = await holder.take('/target');
    const file = await open(target, 'r+');
    let done = false;
    const truncated = file.truncate(0).then(() => {
      done = true;
    });
    await holder.event('recall');
    await killDaemon(volume);
    expect(done, 'the truncation waits on').toBe(false);
    const text = Buffer.alloc(32);
    expect(text.toString('utf8', 0, readSync(fd, text, 0, 32, 0))).toBe('still here');
    await holder.must({ verb: 'return', id });
    await volume.io('truncate', truncated);
    expect((await stat(target)).size).toBe(0);
    await killDaemon(volume);
    expect(text.toString('utf8', 0, readSync(fd, text, 0, 32, 0))).toBe('still here');
    closeSync(fd);
    await file.close();
    await holder.kill();
    await volume.unmount();
    const fsck = await volume.layoutfs(['fsck', volume.image]);
    expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
    expect(fsck.stdout, 'root and target are left').toMatch(/2 inodes/);
  }, 120_000);

  it('layoutfs upgrade hands the mount over in good order', async () => {
    volume = await mountVolume({ supervised: true });
    const holder = await Holder.open(volume);
    writeFileSync(join(volume.dir, 'f'), 'text');
    const { id } = await holder.take('/f');
    const before = volume.daemonPid;
    const result = await volume.layoutfs(['upgrade', volume.dir, '--json'], { timeout: 60_000 });
    expect(result.code, result.stderr).toBe(0);
    const { pid } = JSON.parse(result.stdout) as { pid: number };
    expect(pid).not.toBe(before);
    expect(readFileSync(join(volume.dir, 'f'), 'utf8')).toBe('text');
    await holder.must({ verb: 'return', id });
    await holder.kill();
    await volume.unmount();
  }, 120_000);

  it('with the supervisor killed too, the ordinary remount recovers', async () => {
    volume = await mountVolume({ supervised: true });
    writeFileSync(join(volume.dir, 'f'), 'answered');
    await volume.kill();
    await volume.remount();
    expect(readFileSync(join(volume.dir, 'f'), 'utf8')).toBe('answered');
    await volume.unmount();
  }, 120_000);

  it('a daemon that always dies at once is given up, and says so', async () => {
    volume = await mountVolume({ supervised: true });
    const mounted = volume;
    await until('the mount is given up', 60_000, () => {
      if (mounted.messages().includes('the mount is given up')) return true;
      try {
        process.kill(mounted.daemonPid, 'SIGKILL');
      } catch {
        // between two daemons
      }
      return false;
    });
    expect(() => readFileSync(join(mounted.dir, 'f'))).toThrow(/ENOTCONN|ECONNABORTED/);
    await volume.kill().catch(() => {});
    await volume.remount();
    await volume.unmount();
  }, 120_000);
});
