import { describe, expect, it } from 'vitest';
import { MOUNT_EXIT } from '../../src/cli/mount-helper.ts';
import { checkout, run } from '../harness/index.ts';

const helper = (...args: string[]) => run(process.execPath, [`${checkout}/bin/mount.layoutfs.mjs`, ...args]);

describe('mount.layoutfs, as mount(8) calls it', () => {
  it.each([
    [[], MOUNT_EXIT.USAGE, 'usage:'],
    [['/x'], MOUNT_EXIT.USAGE, 'usage:'],
    [['/x', '/tmp', '--frob'], MOUNT_EXIT.USAGE, 'unknown option'],
    [['/x', '/tmp', '-o'], MOUNT_EXIT.USAGE, 'needs a value'],
    [['/etc/hostname', '/tmp', '-o', 'frob'], MOUNT_EXIT.USAGE, 'Known:'],
    [['/nowhere', '/tmp', '-o', 'rw'], MOUNT_EXIT.FAILED, 'no such volume'],
    [['/etc/hostname', '/nowhere', '-o', 'rw'], MOUNT_EXIT.FAILED, 'no such directory'],
    [['/etc/hostname', '/tmp', '-o', 'remount,ro'], MOUNT_EXIT.FAILED, 'no layoutfs'],
    [['/etc/hostname', '/tmp', '-N', '/proc/1/ns/mnt'], MOUNT_EXIT.USAGE, 'namespaces'],
  ])('%j ends with %i', async (args, code, message) => {
    const result = await helper(...args);
    expect(result.stderr).toContain(message);
    expect(result.code).toBe(code);
  });

  it('checks only with -f, ignores unknown options with -s, and takes the old form of a source', async () => {
    expect((await helper('/etc/hostname', '/tmp', '-sfnv', '-o', 'rw,frob,noauto', '-t', 'fuse.layoutfs')).code).toBe(
      0,
    );
    expect((await helper('layoutfs#/etc/hostname', '/tmp', '-f')).code).toBe(0);
    expect((await helper('--help')).stdout).toContain('fstab');
  });
});
