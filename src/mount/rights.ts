import { readFileSync } from 'node:fs';

/** Bits of /proc/self/status CapEff that something here needs. */
const CAPABILITIES = { KILL: 5, SYS_PTRACE: 19, SYS_ADMIN: 21 } as const;

/** What this mount can not do because of who made it, and what happens instead: a line each, for `layoutfs status`. */
export interface Lack {
  /** A word: device-window, other-users, processes, setuid. */
  what: string;
  why: string;
  instead: string;
}

export interface Standing {
  uid: number;
  /** Effective capabilities, as in CapEff. */
  capabilities: bigint;
  allowOther: boolean;
  nosuid: boolean;
  nodev: boolean;
  /** Device windows by kernel passthrough: true, or why not. */
  passthrough: true | string;
}

export function effectiveCapabilities(status = readFileSync('/proc/self/status', 'ascii')): bigint {
  const found = /^CapEff:\s*([0-9a-f]+)$/m.exec(status);
  return found === null ? 0n : BigInt(`0x${found[1]}`);
}

export function lacking({ uid, capabilities, allowOther, nosuid, nodev, passthrough }: Standing): Lack[] {
  const has = (name: keyof typeof CAPABILITIES): boolean => ((capabilities >> BigInt(CAPABILITIES[name])) & 1n) === 1n;
  const lacks: Lack[] = [];
  const lack = (what: string, why: string, instead: string): void => {
    lacks.push({ what, why, instead });
  };
  if (passthrough !== true) {
    lack('device-window', passthrough, 'the daemon serves device windows: slower, and it can take a mapping back');
  }
  if (!has('SYS_ADMIN')) {
    if (!allowOther) {
      lack(
        'other-users',
        'mounted without allow_other (which needs user_allow_other in /etc/fuse.conf)',
        `only user ${uid} may enter, not even root`,
      );
    }
  }
  if (!has('KILL') || !has('SYS_PTRACE')) {
    lack(
      'processes',
      'no CAP_KILL and CAP_SYS_PTRACE',
      `only processes of user ${uid} can be seen or ended; against others a fence relocates, or waits in quarantine`,
    );
  }
  if (!has('SYS_ADMIN') && (nosuid || nodev)) {
    lack('setuid', 'a mount by fusermount3 is nosuid and nodev', 'set-uid bits and device nodes have no effect');
  }
  return lacks;
}

export function lackLine({ what, why, instead }: Lack): string {
  return `lacks ${what}: ${why}; ${instead}`;
}
