import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  check,
  checkout,
  describeMounted,
  FOREIGN_MOUNTS_AWAY,
  hasTool,
  layoutfs,
  type MountedVolume,
  mountVolume,
  run,
} from '../harness/index.ts';

/** Why the transport can not be tried here. */
function whyNot(): string | undefined {
  try {
    createRequire(import.meta.url)('fuse-native');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    return missing ? 'needs the npm package fuse-native' : 'needs libfuse.so.2';
  }
  return hasTool('fusermount') || hasTool('fusermount3') ? undefined : 'needs fusermount';
}

const why = whyNot();

describeMounted('-o transport=fuse-native', [], () => {
  vi.setConfig({ testTimeout: 180_000 });
  it('says what is missing where the package is not there, and mounts nothing', async () => {
    await using volume = await mountVolume({ size: '64m' });
    await volume.unmount();
    // A path without packages of its own: the package can not be found from there.
    const bare = `
      mkdir "$ROOT/bare" "$ROOT/bare/node_modules"
      for part in bin src package.json schema; do cp -r "$CHECKOUT/$part" "$ROOT/bare/"; done
      for package in "$CHECKOUT"/node_modules/* "$CHECKOUT"/node_modules/.bin; do
        [ "$(basename "$package")" = fuse-native ] || ln -s "$package" "$ROOT/bare/node_modules/"
      done`;
    const env = { ROOT: volume.root, CHECKOUT: checkout, NODE_PATH: '' };
    await check('bash', ['-eu', '-c', bare], { env });
    const launcher = `${volume.root}/bare/bin/layoutfs.mjs`;
    const args = [launcher, 'mount', volume.image, volume.dir, '-o', 'transport=fuse-native'];
    const { code, stderr } = await run(process.execPath, args, { env });
    expect(stderr).toContain('npm install fuse-native');
    expect(code).toBe(13);
    await volume.remount();
    expect(await volume.bash('ls -A')).toBe('');
  });
});

describeMounted('-o transport=fuse-native without the Debian package libfuse2', ['unshare', 'fusermount'], () => {
  it.skipIf(why?.includes('npm'))(
    'loads the copy of libfuse 2 that the package brings (needs fuse-native)',
    async () => {
      await using volume = await mountVolume({ size: '64m' });
      await volume.unmount();
      // In a mount namespace of its own, where the library of the system is an empty file.
      const script = `
      for lib in $(ldconfig -p | sed -n 's/.*libfuse[.]so[.]2 .* => //p'); do
        mount --bind /dev/null "$(readlink -f "$lib")"
      done
      "$NODE" -e 'require("fuse-native")' 2>&1 | grep -om 1 'libfuse.so.2' || echo 'needs no library'
      "$NODE" "$LAYOUTFS" mount "$IMG" "$MNT" -o transport=fuse-native
      echo through > "$MNT/file"; cat "$MNT/file"; stat -f -c %T "$MNT"
      "$NODE" "$LAYOUTFS" umount "$MNT"`;
      const env = { NODE: process.execPath, LAYOUTFS: layoutfs, IMG: volume.image, MNT: volume.dir };
      const args = ['-m', '--propagation', 'private', 'bash', '-eu', '-c', FOREIGN_MOUNTS_AWAY + script];
      const said = await check('unshare', args, { env, cwd: checkout });
      expect(said).toMatch(/^libfuse.so.2\n(.*\n)*through\nfuseblk\n$/);
    },
  );
});

const suite =
  why === undefined
    ? describeMounted
    : (name: string, _: string[], body: () => void) => describe.skip(`${name} (skipped: ${why})`, body);

suite('a mount by fuse-native', [], () => {
  vi.setConfig({ testTimeout: 60_000 });
  let volume: MountedVolume;
  beforeAll(async () => {
    volume = await mountVolume({ size: '256m', options: 'transport=fuse-native' });
  });
  afterAll(() => volume?.dispose());

  it('keeps files, directories, links, modes and times', async () => {
    const script = `
      echo hello > a; mkdir d; cp a d/b; mv d/b d/c; ln a h; ln -s a s
      chmod 600 a; touch -d @1000 a; stat -c '%a %h %s %Y' a; readlink s; cat s d/c
      truncate -s 3 h; cat a; echo; ls; rm h s; ls d; rmdir d 2>/dev/null || echo 'not empty'; df --output=size -BM . | tail -1 | tr -d ' '`;
    expect(await volume.bash(script)).toBe('600 2 6 1000\na\nhello\nhello\nhel\na\nd\nh\ns\nc\nnot empty\n255M\n');
  });

  it('keeps bytes', async () => {
    await volume.bash(
      'head -c 5M /dev/urandom > "$ROOT/r"; cp "$ROOT/r" r; cmp r "$ROOT/r"; echo tail >> r; tail -c 5 r',
      { timeout: 40_000 },
    );
    expect(await volume.bash('stat -c %s r')).toBe('5242885\n');
  });

  it('gives a lease; a truncate waits, its recall is heard, and the return lets it go on', async () => {
    const script = `
      head -c 1M /dev/zero > leased
      exec 3<> .layout/ctl
      echo 'get path=/leased kind=direct' >&3; read -r granted <&3; echo "\${granted%% seq*}"
      (exec 3>&-; truncate -s 0 leased) & waiter=$!
      sleep 0.5; stat -c %s leased
      read -r event <&3; echo "\${event%% path*}"; [[ $event == *reason=truncate* ]]
      echo 'return id=1' >&3
      wait $waiter; stat -c %s leased; wc -l < .layout/leases`;
    expect(await volume.bash(script)).toBe('ok id=1\n1048576\nevent recall lease=1 seq=2\n0\n1\n');
  });

  it('refuses an append under a direct lease with ETXTBSY', async () => {
    const script = `
      exec 3<> .layout/ctl; echo 'get path=/r kind=direct' >&3
      dd if=/dev/zero of=r bs=1 count=1 oflag=append conv=notrunc 2>&1 || true`;
    expect(await volume.bash(script)).toContain('Text file busy');
  });

  it('ends cleanly, and what it wrote is there for the other transport', async () => {
    const sum = await volume.bash('sha256sum < r');
    await volume.unmount();
    await volume.remount('');
    expect(await volume.bash('sha256sum < r')).toBe(sum);
  });
});
