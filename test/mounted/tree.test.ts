import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkout, describeMounted, type MountedVolume, mountVolume, until } from '../harness/index.ts';

const LEAST_FILES = 20_000;
const LONG = 600_000;

/**
 * Two lists of a tree: every entry with type, mode, owner, links, time and target (and the size of what is no
 * directory), and the checksum of every file. Names end with NUL, so that any name is told apart from any other.
 */
const MANIFEST = `
manifest() {
  ( cd "$1"
    find . -type d -printf '%y %m %U %G %T@ - %P\\0' , ! -type d -printf '%y %m %U %G %n %T@ %s %l %P\\0' | sort -z | tr '\\0' '\\n'
    find . -type f -print0 | sort -z | xargs -0 -r sha256sum )
}`;

let volume: MountedVolume;

beforeEach(async () => {
  volume = await mountVolume({ size: '6g', deadline: LONG });
  // Real files of this machine (of the packages not the few large ones), and by hand what they may lack.
  await volume.bash(
    `mkdir $ROOT/source && cd $ROOT/source
     rsync -a --max-size=300k ${checkout}/node_modules .
     for dir in /usr/share/doc /usr/lib/python3* /usr/include /usr/share/perl /usr/share/perl5 /usr/share/zoneinfo /usr/lib/node_modules; do
       [ "$(find . -type f | wc -l)" -ge ${LEAST_FILES} ] && break
       [ -d $dir ] && mkdir -p .$(dirname $dir) && cp -a $dir .$dir
     done
     n=$(find . -type f | wc -l)
     mkdir filler; while [ $n -lt ${LEAST_FILES} ]; do n=$((n + 1)); echo "$n" > filler/$n; done
     mkdir odd && cd odd
     echo one > first; ln first second; ln second third; ln -s ../odd/first relative; ln -s /nowhere/at/all dangling
     echo x > "$(printf 'not utf-8 \\377\\376')"; echo x > 'blank and "quote"'; echo x > "$(printf 'line\\nend')"; echo x > -rf
     echo x > $(printf 'n%.0s' $(seq 255))
     mkdir sticky setgid empty; chmod 1777 sticky; chmod 2775 setgid; echo x > suid; chmod 4755 suid; echo x > none; chmod 000 none
     echo x > owned; chown 1234:5678 owned; ln -s owned owned-link; chown -h 4321:8765 owned-link
     echo x > old; touch -d '1969-07-20 20:17:40.123456789 UTC' old; echo x > future; touch -d '2200-01-01 00:00:00.987654321 UTC' future
     mkfifo fifo; : > nothing; head -c 4095 /dev/zero > almost; head -c 4097 /dev/zero > beyond
     touch -d '2001-02-03 04:05:06.789 UTC' sticky setgid empty`,
    { timeout: LONG },
  );
}, LONG);

afterEach(() => volume?.dispose());

/** Bytes in use as statfs tells, and as the blocks of all files tell. */
async function usage(): Promise<{ df: number; files: number }> {
  const [df, files] = (
    await volume.bash(
      `stat -f -c '%b %f %S' . | awk '{ printf "%d ", ($1 - $2) * $3 }'
       find . -type f -printf '%i %b\\n' | sort -u | awk '{ n += $2 } END { printf "%d", n * 512 }'`,
      { timeout: LONG },
    )
  ).split(' ');
  return { df: Number(df), files: Number(files) };
}

const differences = (name: string): Promise<string> =>
  volume.bash(`${MANIFEST}\nmanifest ${name} > $ROOT/got; diff $ROOT/wanted $ROOT/got | head -20 || true`, {
    timeout: LONG,
  });

describeMounted('a tree of real files', ['rsync', 'tar', 'find', 'sha256sum'], () => {
  it(
    'is the same after cp -a, tar, rsync and a remount; df and du add up; deleted, all space is back',
    async () => {
      const empty = await usage();
      expect(empty.files).toBe(0);
      await volume.bash(`${MANIFEST}\nmanifest $ROOT/source > $ROOT/wanted`, { timeout: LONG });
      const count = Number(await volume.bash('find $ROOT/source -type f | wc -l'));
      expect(count).toBeGreaterThanOrEqual(LEAST_FILES);

      const copies = {
        cp: 'cp -a $ROOT/source cp',
        tar: 'mkdir tar; tar -C $ROOT/source --format=posix -cf - . | tar -C tar --numeric-owner -xpf -',
        rsync: 'rsync -aH --numeric-ids $ROOT/source/ rsync/',
      };
      for (const [name, script] of Object.entries(copies)) {
        await volume.bash(script, { timeout: LONG });
        expect(await differences(name), `${name} made the same tree`).toBe('');
      }
      const full = await usage();
      expect(full.df - empty.df, 'df and the sum of st_blocks').toBe(full.files);
      const du = Number((await volume.bash('du -s --block-size=1 . | cut -f1', { timeout: LONG })).trim());
      expect(du).toBeGreaterThanOrEqual(full.files);

      await volume.unmount();
      const fsck = await volume.layoutfs(['fsck', volume.image], { timeout: LONG });
      expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
      await volume.remount();
      for (const name of Object.keys(copies)) expect(await differences(name), `${name} after a remount`).toBe('');
      expect(await usage()).toEqual(full);

      await volume.bash('rm -rf cp tar rsync', { timeout: LONG });
      expect((await volume.bash('ls -A')).trim()).toBe('');
      await until('all space is back', 10_000, async () => (await usage()).df === empty.df);
      await volume.unmount();
      expect((await volume.layoutfs(['fsck', volume.image])).code).toBe(0);
    },
    LONG,
  );
});
