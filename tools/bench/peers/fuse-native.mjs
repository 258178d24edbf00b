/**
 * What ../onefile.c does, through the npm package fuse-native (libfuse 2): one file `data`, kept in a backing file, and in memory
 * the names that the benchmark makes and removes.
 *
 *   node fuse-native.mjs BACKING MOUNTPOINT
 */
import { fdatasync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

const Fuse = createRequire(import.meta.url)('fuse-native');
const [backing, dir] = process.argv.slice(2);
const fd = openSync(backing, 'r+');
const DIRECTORY = 0o40755;
const modes = new Map();
const epoch = new Date(0);

function attributes(path) {
  const stat = { mtime: epoch, atime: epoch, ctime: epoch, nlink: 1, size: 0, mode: 0, uid: 0, gid: 0 };
  if (path === '/') return { ...stat, mode: DIRECTORY, nlink: 2 };
  if (path === '/data') return { ...stat, mode: 0o100644, size: fstatSync(fd).size };
  const mode = modes.get(path);
  return mode === undefined ? undefined : { ...stat, mode };
}

const answer = (path, done) => {
  const stat = attributes(path);
  if (stat === undefined) done(Fuse.ENOENT);
  else done(0, stat);
};
const remove = (path, done) => done(modes.delete(path) ? 0 : Fuse.ENOENT);

const operations = {
  getattr: answer,
  fgetattr: (path, _fd, done) => answer(path, done),
  open: (_path, _flags, done) => done(0, 1),
  create: (path, mode, done) => {
    if (path !== '/data') modes.set(path, 0o100000 | mode);
    done(0, 1);
  },
  release: (_path, _fd, done) => done(0),
  mkdir: (path, mode, done) => {
    modes.set(path, 0o40000 | mode);
    done(0);
  },
  unlink: remove,
  rmdir: remove,
  rename: (from, to, done) => {
    const mode = modes.get(from);
    if (mode === undefined) return done(Fuse.ENOENT);
    modes.delete(from);
    modes.set(to, mode);
    done(0);
  },
  truncate: (_path, size, done) => {
    ftruncateSync(fd, size);
    done(0);
  },
  ftruncate: (_path, _fd, size, done) => {
    ftruncateSync(fd, size);
    done(0);
  },
  read: (_path, _fd, buffer, length, position, done) => done(readSync(fd, buffer, 0, length, position)),
  write: (_path, _fd, buffer, length, position, done) => done(writeSync(fd, buffer, 0, length, position)),
  fsync: (_path, _datasync, _fd, done) => fdatasync(fd, (error) => done(error ? Fuse.EIO : 0)),
};

// The package passes no other options on, but joins them with commas.
const options = {
  allowOther: true,
  defaultPermissions: true,
  subtype: 'onefile,big_writes,attr_timeout=86400',
  timeout: false,
};
new Fuse(dir, operations, options).mount((error) => {
  if (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
});
