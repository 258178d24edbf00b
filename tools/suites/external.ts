import { readdirSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { checkout, type RunOptions } from '../../test/harness/index.ts';
import { limited } from './limited.ts';
import type { CaseResult, Suite, SuiteContext } from './suite.ts';
import { parseTap } from './tap.ts';

/** Suites that the user has fetched and built: `npm run suite -- NAME DIR`. */

const BIN = join(checkout, 'bin');
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function files(folder: string, suffix: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix) && statSync(join(folder, name)).isFile())
    .sort();
}

/** `mkfs.layoutfs` and its kind under the names that mkfs(8), fsck(8) and mount(8) look for. */
async function withPrograms(context: SuiteContext, script: string, options: RunOptions): Promise<string> {
  const prepare = ['mkfs.layoutfs', 'fsck.layoutfs', 'mount.layoutfs']
    .map((name) => `ln -sf ${quote(join(BIN, `${name}.mjs`))} "$ROOT/bin/${name}"`)
    .join('\n');
  const path = `mkdir -p "$ROOT/bin"\n${prepare}\nPATH="$ROOT/bin:$PATH"; export PATH\n`;
  return limited(context, 'sh', ['-c', path + script], options);
}

const pjdfstest: Suite = {
  name: 'pjdfstest',
  takes: 'DIR',
  about: 'the folder with tests/ and the built program pjdfstest',
  size: '4g',
  needs: [],
  async run(context) {
    const tests = join(context.place, 'tests');
    const results: CaseResult[] = [];
    const chosen = files(tests, '.t').filter((name) => context.words.every((word) => name.includes(word)));
    const until = Date.now() + context.limit;
    for (const name of chosen) {
      if (Date.now() > until) {
        results.push({ name, result: 'failed', detail: 'not run: the time is over' });
        continue;
      }
      const text = await limited(context, 'sh', [join(tests, name)], { timeout: 300_000 });
      context.log('pjdfstest.log', `== ${name}\n${text}\n`);
      results.push(...parseTap(text, name));
    }
    return results;
  },
};

/** xfstests mounts by itself: it gets two images and a configuration of its own. */
const xfstests: Suite = {
  name: 'xfstests',
  takes: 'DIR',
  about: 'the folder with ./check, built; further words go to check (default: -g quick)',
  size: '1g',
  needs: [],
  async run(context) {
    const words = context.words.length > 0 ? context.words.map(quote).join(' ') : '-g quick';
    const script = `
      set -e
      mkdir -p "$ROOT/test" "$ROOT/scratch"
      mkfs.layoutfs "$ROOT/test.img" --size 8g >/dev/null
      mkfs.layoutfs "$ROOT/scratch.img" --size 8g >/dev/null
      ln -sf mount.layoutfs "$ROOT/bin/mount.fuse.layoutfs"
      for name in mkfs.layoutfs fsck.layoutfs mount.layoutfs mount.fuse.layoutfs; do
        test -e /sbin/$name || { ln -s "$(readlink -f "$ROOT/bin/$name")" /sbin/$name; echo /sbin/$name >> "$ROOT/links"; }
      done
      cat > "$ROOT/local.config" <<END
export FSTYP=fuse FUSE_SUBTYP=.layoutfs MOUNT_OPTIONS= FSCK_OPTIONS=-n
export TEST_DEV=$ROOT/test.img TEST_DIR=$ROOT/test SCRATCH_DEV=$ROOT/scratch.img SCRATCH_MNT=$ROOT/scratch
END
      mount -t fuse.layoutfs "$ROOT/test.img" "$ROOT/test"
      cd ${quote(context.place)}
      set +e
      HOST_OPTIONS="$ROOT/local.config" ./check -fuse ${words}
      umount "$ROOT/scratch" 2>/dev/null; umount "$ROOT/test"
      test -e "$ROOT/links" && xargs rm -f < "$ROOT/links"; true`;
    const text = await withPrograms(context, script, { timeout: context.limit });
    context.log('xfstests.log', text);
    return parseCheck(text);
  },
};

/** Lines of xfstests' ./check: `generic/001 3s ... 4s`, `[not run] why`, `[failed, exit status 1]`. */
export function parseCheck(text: string): CaseResult[] {
  const results: CaseResult[] = [];
  for (const line of text.split('\n')) {
    const found = /^([a-z]+\/\d+)\s+(.*)$/.exec(line);
    if (!found) continue;
    const [, name, rest] = found as unknown as [string, string, string];
    const result = /\[not ?run\]/i.test(rest) ? 'skipped' : /fail|mismatch|dmesg/i.test(rest) ? 'failed' : 'passed';
    results.push({ name, result, detail: rest });
  }
  return results;
}

const fsx: Suite = {
  name: 'fsx',
  takes: 'PATH',
  about: 'the program; further words are its options (default: 100,000 operations of those that FUSE has)',
  size: '2g',
  needs: [],
  async run(context) {
    // -C, -I, -U: collapse, insert and unshare are not passed on by the kernel; -E: nor are exchanges
    const words = context.words.length > 0 ? context.words : ['-N', '100000', '-C', '-I'];
    const text = await limited(context, context.place, [...words, join(context.volume.dir, 'fsx')], {
      timeout: context.limit,
    });
    const good = /All \d+ operations completed A-OK/i.test(text);
    return [{ name: basename(context.place), result: good ? 'passed' : 'failed', detail: text.slice(-2000) }];
  },
};

const ltp: Suite = {
  name: 'ltp',
  takes: 'DIR',
  about:
    'the folder LTP is installed in; further words are scenario files (default: fs, fs_perms_simple, syscalls of files)',
  size: '4g',
  needs: [],
  async run(context) {
    const scenarios = context.words.length > 0 ? context.words : ['fs', 'fs_perms_simple', 'fs_readonly'];
    const results: CaseResult[] = [];
    for (const scenario of scenarios) {
      const script = `chmod 777 "$MNT"; cd ${quote(context.place)}
        if test -x ./runltp; then ./runltp -d "$MNT" -f ${quote(scenario)} -p -l "$ROOT/ltp-${scenario}.log" -q
        else TMPDIR="$MNT" ./kirk -f ltp -r ${quote(scenario)} -o "$ROOT/ltp-${scenario}.json"; fi
        cat "$ROOT/ltp-${scenario}.log" 2>/dev/null`;
      const text = await limited(context, 'sh', ['-c', script], {
        timeout: Math.floor(context.limit / scenarios.length),
      });
      context.log('ltp.log', `== ${relative(context.place, scenario)}\n${text}\n`);
      for (const line of text.split('\n')) {
        const found = /^(\S+)\s+(PASS|FAIL|CONF|BROK)\b(.*)$/.exec(line.trim());
        if (!found) continue;
        const result = found[2] === 'PASS' ? 'passed' : found[2] === 'CONF' ? 'skipped' : 'failed';
        results.push({ name: `${scenario}/${found[1]}`, result, detail: line });
      }
    }
    return results;
  },
};

export const external: readonly Suite[] = [pjdfstest, xfstests, fsx, ltp];
