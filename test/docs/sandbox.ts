import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkout, FOREIGN_MOUNTS_AWAY, run } from '../harness/index.ts';
import { type Part, tidy } from './page.ts';

/** What came of a page: the output of each of its parts that was run, by its place among them. */
export interface Ran {
  outputs: Map<number, string>;
  /** The part that failed (or, marked `fails`, did not), if one did. */
  failed: number | undefined;
  all: string;
}

const MARK = '\u0001';

/** Why a page can not be run: its own /srv and /mnt would hide the checkout. */
export const hidden = ['/srv', '/mnt'].find((folder) => `${checkout}/`.startsWith(`${folder}/`));

/**
 * Runs the parts of a page in one shell. It has mounts, processes and a network of its own (unshare(1)); an empty /mnt and /run; an
 * empty /srv as its home and working directory, with the checkout there as `layoutfs`; and the program installed from
 * `module`. When it ends, every process that it started is killed and every mount is gone with its namespace.
 */
export async function runParts(list: readonly Part[], module: string): Promise<Ran> {
  const root = mkdtempSync(join(tmpdir(), 'layoutfs-page-'));
  try {
    for (const name of ['srv', 'mnt', 'parts']) mkdirSync(join(root, name));
    const srv = join(root, 'srv');
    mkdirSync(join(srv, 'node_modules'));
    symlinkSync(join(module, 'commands'), join(srv, 'node_modules', '.bin'));
    symlinkSync(module, join(srv, 'node_modules', 'layoutfs'));
    symlinkSync(checkout, join(srv, 'layoutfs'));
    writeFileSync(join(root, 'page.sh'), script(root, list));
    const flags = ['-m', '-p', '-n', '-f', '--mount-proc', '--kill-child', '--propagation', 'private'];
    const path = [join(module, 'commands'), join(checkout, 'node_modules', '.bin'), process.env.PATH].join(':');
    const result = await run('unshare', [...flags, 'bash', join(root, 'page.sh')], {
      timeout: 280_000,
      env: { HOME: '/srv', PATH: path, NO_COLOR: '1', TERM: 'dumb', COLUMNS: '100' },
    });
    const pieces = tidy(result.stdout).split(new RegExp(`${MARK}(\\d+)\\n`));
    const outputs = new Map<number, string>();
    let last: number | undefined;
    for (let at = 1; at < pieces.length; at += 2) {
      last = Number(pieces[at]);
      outputs.set(last, tidy(pieces[at + 1] ?? ''));
    }
    const ended = outputs.delete(list.length);
    return { outputs, failed: ended ? undefined : (last ?? -1), all: `${result.stdout}${result.stderr}` };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function script(root: string, list: readonly Part[]): string {
  const lines = [
    'set -eu -o pipefail',
    'exec 2>&1',
    FOREIGN_MOUNTS_AWAY.trimEnd(),
    `mount --bind ${root}/srv /srv`,
    `mount --bind ${root}/mnt /mnt`,
    'mount -t tmpfs none /run',
    'ip link set lo up',
    'cd /srv',
  ];
  list.forEach((part, at) => {
    if (part.type === 'not-run') return;
    lines.push(`printf '${MARK}${at}\\n'`);
    if (part.type === 'file') {
      writeFileSync(join(root, 'parts', String(at)), part.content);
      lines.push(`cp '${root}/parts/${at}' '${part.name}'`);
      return;
    }
    writeFileSync(join(root, 'parts', String(at)), part.commands);
    // A part that must fail runs in a shell of its own, without -e: its last command is what counts.
    if (part.fails) lines.push(`if (set +e; . '${root}/parts/${at}'); then echo "this did not fail"; exit 1; fi`);
    else lines.push(`. '${root}/parts/${at}'`);
  });
  lines.push(`printf '${MARK}${list.length}\\n'`);
  return `${lines.join('\n')}\n`;
}
