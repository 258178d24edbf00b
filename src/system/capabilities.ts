/**
 * What is left of root's rights (capabilities(7)). Sets are numbers with a bit for each capability, below 2^53.
 */
import { readFileSync } from 'node:fs';
import koffi from 'koffi';
import { addressOf } from './libc.ts';
import { fieldOf } from './process.ts';

const libc = koffi.load(null);
const P = 'uintptr_t';
const capset = libc.func('capset', 'int', [P, P]) as (header: number, data: number) => number;
const prctl = libc.func('prctl', 'int', ['int', 'uint64_t', 'uint64_t', 'uint64_t', 'uint64_t']) as (
  ...args: number[]
) => number;

/** <linux/capability.h>. */
const CAPABILITY = { CHOWN: 0, DAC_OVERRIDE: 1, FOWNER: 3, KILL: 5, SYS_PTRACE: 19, SYS_ADMIN: 21, SYS_RESOURCE: 24 };
const PR_CAPBSET_DROP = 24;
const VERSION_3 = 0x20080522;

export const bit = (capability: number): number => 2 ** capability;

/**
 * What a daemon that root runs can not do without: mount(2), umount2(2) and passthrough (SYS_ADMIN); the maps and
 * descriptors of holders (SYS_PTRACE), ending and signalling them (KILL); a volume that belongs to somebody else, and
 * SQLite's files beside it (DAC_OVERRIDE, FOWNER, CHOWN); writing back without being held up, and the reserve of the host's
 * filesystem (SYS_RESOURCE).
 */
export const NEEDED = Object.values(CAPABILITY).reduce((set, capability) => set + bit(capability), 0);

/** A set as /proc/PID/status has it ('CapEff', 'CapPrm', 'CapBnd' …), of a thread of this process or another one. */
export function capabilitySet(field: string, status = readFileSync('/proc/thread-self/status', 'latin1')): number {
  const hex = fieldOf(status, field);
  return hex === undefined ? 0 : Number.parseInt(hex, 16);
}

/**
 * Takes all capabilities but those of `keep` from this thread, and so from every thread and program that it starts. With
 * `programsToo` false a program that root starts has all of root's again. What this thread does not have it does not get.
 * Answers whether anything was taken.
 */
export function confine(keep: number, programsToo: boolean): boolean {
  const status = readFileSync('/proc/thread-self/status', 'latin1');
  const permitted = capabilitySet('CapPrm', status);
  const left = both(permitted, keep);
  if (programsToo) {
    const bounding = capabilitySet('CapBnd', status);
    // EPERM without CAP_SETPCAP: then there is nothing that root's programs could get back but by root's doing.
    for (let n = 0; n < 64; n++) if (has(bounding, n) && !has(keep, n)) prctl(PR_CAPBSET_DROP, n, 0, 0, 0);
  }
  if (left === permitted && capabilitySet('CapInh', status) === 0) return false;
  const header = new Uint32Array([VERSION_3, 0]);
  const [low, high] = [left % 2 ** 32, Math.floor(left / 2 ** 32)];
  // Two of { effective, permitted, inheritable }: for numbers below 32, and from 32 on.
  const data = new Uint32Array([low, low, 0, high, high, 0]);
  return capset(at(header), at(data)) === 0;
}

const at = (words: Uint32Array): number => addressOf(new Uint8Array(words.buffer));

export const has = (set: number, capability: number): boolean => Math.floor(set / bit(capability)) % 2 === 1;

function both(a: number, b: number): number {
  let set = 0;
  for (let n = 0; n < 53; n++) if (has(a, n) && has(b, n)) set += bit(n);
  return set;
}
