import fs from 'node:fs';
import { LOCK, O, SEEK } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { close, flock, lseek, open } from '../system/libc.ts';
import { Device } from './device.ts';
import { readHeader } from './header.ts';
import { type StorageIo, systemIo } from './storage-io.ts';
import { VolumeError } from './volume-error.ts';

/** Path of the metadata of a device, and of its redo log. */
export const metadataPath = (path: string): string => `${path}.meta`;
export const redoPath = (path: string): string => `${path}.meta-redo`;

/**
 * Opens and locks the device: flock(2), which belongs to the open file, dies with the process and works on block devices.
 * A writer excludes everybody; readers share. Throws BUSY with the owner's pid as the header tells it. `fd`: of a device
 * that is open and locked already, by the supervisor.
 */
export function openDevice(
  path: string,
  options: { readOnly?: boolean; create?: boolean; io?: StorageIo; fd?: number } = {},
): Device {
  if (options.fd !== undefined) {
    return new Device(options.fd, Math.max(0, lseek(options.fd, 0, SEEK.END)), options.io ?? systemIo);
  }
  const kind = kindOf(path);
  if (kind === 'other') throw new VolumeError('INVALID', `${path} is neither a regular file nor a block device`);
  let flags: number = options.readOnly ? O.RDONLY : O.RDWR;
  if (options.create && kind === 'none') flags |= O.CREAT | O.EXCL;
  if (kind === 'block' && !options.readOnly) flags |= O.EXCL; // refuses one that the kernel has mounted
  const fd = open(path, flags, 0o600);
  if (fd === -E.BUSY) throw new VolumeError('BUSY', `${path} is in use by the kernel`, { errno: E.BUSY });
  if (fd < 0) throw new VolumeError('SYSTEM', `cannot open ${path}`, { errno: -fd });
  const length = lseek(fd, 0, SEEK.END);
  const device = new Device(fd, Math.max(0, length), options.io ?? systemIo);
  const locked = lock(fd, options.readOnly === true);
  if (locked === 0) return device;
  const pid = ownerOf(device);
  close(fd);
  throw busy(path, pid, locked);
}

/** The device for reading what its header says, whoever has it in use. Throws VolumeError. */
export function openForLooking(path: string): Device {
  const fd = open(path, O.RDONLY);
  if (fd < 0) throw new VolumeError('SYSTEM', `cannot open ${path}`, { errno: -fd });
  return new Device(fd, Math.max(0, lseek(fd, 0, SEEK.END)), systemIo);
}

/** The same lock on the database file. The descriptor must be closed after SQLite's connections (see wal.ts). */
export function lockDatabase(path: string, options: { readOnly?: boolean; pid?: number; fd?: number } = {}): number {
  if (options.fd !== undefined) return options.fd;
  const fd = open(path, options.readOnly ? O.RDONLY : O.RDWR);
  if (fd === -E.NOENT) throw new VolumeError('NOT_A_VOLUME', `${path} (the metadata) is missing`);
  if (fd < 0) throw new VolumeError('SYSTEM', `cannot open ${path}`, { errno: -fd });
  const locked = lock(fd, options.readOnly === true);
  if (locked === 0) return fd;
  close(fd);
  throw busy(path, options.pid ?? 0, locked);
}

export function kindOf(path: string): 'none' | 'file' | 'block' | 'other' {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  if (!stat) return 'none';
  if (stat.isFile()) return 'file';
  return stat.isBlockDevice() ? 'block' : 'other';
}

function lock(fd: number, shared: boolean): number {
  return flock(fd, (shared ? LOCK.SHARED : LOCK.EXCLUSIVE) | LOCK.NONBLOCK);
}

function ownerOf(device: Device): number {
  return readHeader(device).newest?.ownerPid ?? 0;
}

function busy(path: string, pid: number, r: number): VolumeError {
  if (r !== -E.AGAIN) return new VolumeError('SYSTEM', `cannot lock ${path}`, { errno: -r });
  return new VolumeError('BUSY', `${path} is in use by ${pid > 0 ? `process ${pid}` : 'another process'}`, {
    pid,
    errno: E.BUSY,
  });
}
