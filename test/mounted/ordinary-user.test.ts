import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { fusermountOptions } from '../../src/fuse/fusermount.ts';
import { MS } from '../../src/system/constants.ts';
import {
  check,
  checkout,
  describeMounted,
  ended,
  type MountedVolume,
  mounts,
  mountVolume,
  run,
  whyNoOrdinaryUser,
} from '../harness/index.ts';

/** nobody: a user with no rights at all. */
const NOBODY = 65534;

it('passes on the options that fusermount3 takes, with commas and backslashes escaped', () => {
  const options = { dir: '/mnt', fsname: '/srv/a,b\\c', subtype: 'layoutfs' };
  expect(fusermountOptions(options)).toBe('fsname=/srv/a\\,b\\\\c,subtype=layoutfs');
  const more = { ...options, fsname: 'x', defaultPermissions: true, allowOther: true, flags: MS.RDONLY | MS.NOEXEC };
  expect(fusermountOptions(more)).toBe('ro,noexec,fsname=x,subtype=layoutfs,default_permissions,allow_other');
});

describeMounted(
  'a mount by an ordinary user',
  ['fusermount3'],
  () => {
    vi.setConfig({ testTimeout: 60_000 });
    let volume: MountedVolume;

    beforeAll(async () => {
      volume = await mountVolume({ uid: NOBODY });
    });
    afterAll(() => volume?.dispose());

    it('is nosuid and nodev, and belongs to him', async () => {
      expect(mounts().find((line) => line.dir === volume.dir)).toMatchObject({
        type: 'fuse.layoutfs',
        source: volume.image,
        options: expect.stringMatching(/nosuid,nodev/),
      });
      expect(await volume.bash('id -u; stat -c %u:%g .')).toBe(`${NOBODY}\n${NOBODY}:${NOBODY}\n`);
    });

    it('lets nobody else in, not even root', async () => {
      await expect(volume.io('access', access(volume.dir, constants.R_OK))).rejects.toMatchObject({ code: 'EACCES' });
    });

    it('keeps files', async () => {
      expect(
        await volume.bash('mkdir d && echo hello > d/f && ln d/f d/g && chmod 600 d/g && stat -c "%a %h" d/f'),
      ).toBe('600 2\n');
      expect(
        await volume.bash('dd if=/dev/urandom of=big bs=1M count=8 status=none && cmp big <(cat big) && rm big'),
      ).toBe('');
    });

    it('gives a lease, whose blocks are read through both windows', async () => {
      const script = `
      head -c 1M /dev/urandom > data
      exec 3<> .layout/ctl
      echo 'get path=/data kind=direct' >&3
      read -r _ id _ <&3; id=\${id#id=}
      cmp data ".layout/lease/$id"
      echo "map id=$id" >&3
      IFS= read -r extent <&3
      device=$(grep -o 'device=[0-9]*' <<< "$extent" | tr -dc 0-9)
      dd if=".layout/device/$id" iflag=skip_bytes,count_bytes skip="$device" count=4096 status=none > "$ROOT/window"
      dd if="$IMG" iflag=skip_bytes,count_bytes skip="$device" count=4096 status=none > "$ROOT/device"
      head -c 4096 data > "$ROOT/first"
      cmp "$ROOT/window" "$ROOT/first"; cmp "$ROOT/device" "$ROOT/first"
      echo done`;
      expect(await volume.bash(script)).toBe('done\n');
    });

    it('is told by status what it lacks, and why', async () => {
      const { stdout, code } = await volume.layoutfs(['status', volume.dir, '--json']);
      expect(code).toBe(0);
      const { lacks } = JSON.parse(stdout) as { lacks: string[] };
      expect(lacks.map((line) => line.split(':')[0])).toEqual(['device-window', 'other-users', 'processes', 'setuid']);
      expect(lacks[0]).toContain('CAP_SYS_ADMIN');
      expect(lacks[2]).toContain(`only processes of user ${NOBODY}`);
      const shown = (await volume.layoutfs(['status', volume.dir])).stdout;
      for (const line of lacks) expect(shown).toContain(line);
    });

    it('ends a holder that does not answer, and the breaker goes on', async () => {
      await volume.unmount();
      await volume.remount('break=1,on_expire=kill');
      await volume.bash('head -c 1M /dev/zero > victim');
      const holder = volume.start('bash', [
        '-c',
        `exec 3<> "$MNT/.layout/ctl"; echo 'get path=/victim kind=direct' >&3; read -r line <&3; echo "$line"; exec sleep 100`,
      ]);
      const granted = await new Promise<string>((resolve) =>
        holder.stdout!.once('data', (part: Buffer) => resolve(`${part}`)),
      );
      expect(granted).toMatch(/^ok id=/);
      await volume.bash('truncate -s 0 victim', { timeout: 15_000 });
      holder.kill('SIGKILL');
      await ended(holder, 5000);
      expect(await volume.bash('stat -c %s victim')).toBe('0\n');
    });

    it('is unmounted by layoutfs umount', async () => {
      await volume.unmount();
      expect(mounts().find((line) => line.dir === volume.dir)).toBeUndefined();
    });

    it('is unmounted by fusermount3 -u, and what was written is there afterwards', async () => {
      await volume.remount();
      await volume.bash('echo kept > kept');
      await check('fusermount3', ['-u', volume.dir], { uid: NOBODY, gid: NOBODY });
      expect(mounts().find((line) => line.dir === volume.dir)).toBeUndefined();
      await volume.dead();
      await volume.remount();
      expect(await volume.bash('cat kept')).toBe('kept\n');
      await volume.unmount();
    });

    it('is refused where the directory is not his, with the reason', async () => {
      const refused = await run(process.execPath, [join(checkout, 'bin/layoutfs.mjs'), 'mount', volume.image, '/usr'], {
        uid: NOBODY,
        gid: NOBODY,
      });
      expect(refused.code).toBe(4);
      expect(refused.stderr).toMatch(/fusermount3.*no write access|fusermount3.*permission/i);
    });
  },
  whyNoOrdinaryUser(),
);
