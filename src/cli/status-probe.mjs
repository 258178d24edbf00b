/**
 * What a mount answers, asked by a process of its own, because a call that a hung mount never answers keeps its process
 * from ending. Arguments: mount point, path of `.layout/version`, path of `.layout/leases`. JSON on stdout.
 */
import { readFileSync, statfsSync } from 'node:fs';

const [dir, versionPath, leasesPath] = process.argv.slice(2);

/** null where there is none: -o ctl=none. */
function lines(path) {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return null;
  }
}

const { blocks, bfree, bavail, bsize, files, ffree } = statfsSync(dir);
const space = {
  size: blocks * bsize,
  used: (blocks - bfree) * bsize,
  free: bavail * bsize,
  inodes: files,
  inodesFree: ffree,
};
process.stdout.write(JSON.stringify({ space, version: lines(versionPath) ?? [], leases: lines(leasesPath) }));
