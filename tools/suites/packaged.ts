import { limited } from './limited.ts';
import type { CaseResult, Suite, SuiteContext } from './suite.ts';

/** Suites that Debian has packages of; nothing is fetched. */

/**
 * stress-ng's workers that concern a filesystem. Left out: those that need a block device or another filesystem, or
 * that stress the machine and not the mount.
 */
const STRESSORS =
  'access acl chattr chdir chmod chown copy-file dentry dir dirdeep dirmany dup fallocate fcntl fd-race fiemap file-ioctl filename filerace flock fpunch fsize fstat getdent handle hdd inode-flags io iomix lease link locka lockf lockofd mknod metamix mmap mmapfiles msync open readahead rename seek sendfile splice symlink sync-file touch unlink utime xattr'.split(
    ' ',
  );

const stressNg: Suite = {
  name: 'stress-ng',
  about: 'each worker of the filesystem class with --verify; further words choose workers',
  size: '2g',
  needs: ['stress-ng'],
  async run(context) {
    const { stdout } = await context.volume.run('stress-ng', ['--stressors'], {});
    const known = new Set(stdout.split(/\s+/));
    const chosen = context.words.length > 0 ? context.words : STRESSORS.filter((name) => known.has(name));
    const seconds = Math.max(2, Math.min(10, Math.floor(context.limit / 1000 / chosen.length / 2)));
    const results: CaseResult[] = [];
    for (const name of chosen) results.push(await stressor(context, name, seconds));
    return results;
  },
};

async function stressor(context: SuiteContext, name: string, seconds: number): Promise<CaseResult> {
  const args = [`--${name}`, '2', '--timeout', String(seconds), '--verify', '--temp-path', context.volume.dir];
  const text = await limited(context, 'stress-ng', [...args, '--no-rand-seed', '--metrics-brief'], {
    timeout: seconds * 1000 + 60_000,
  });
  context.log('stress-ng.log', `== ${name}\n${text}\n`);
  const failed = /\bfail:|failed: [1-9]|ended with (?!0\n)/.test(text);
  const skipped = /skipped: [1-9]|ended with 4\n/.test(text) && !/\bfail:/.test(text);
  const detail = text.split('\n').find((line) => /fail:|skip|ended with/.test(line)) ?? '';
  return { name, result: skipped ? 'skipped' : failed ? 'failed' : 'passed', detail };
}

/** name: options of fio on top of the common ones. */
const JOBS: Readonly<Record<string, string>> = {
  'sequential writes': '--rw=write --bs=128k',
  'random writes': '--rw=randwrite --bs=4k',
  'random writes, direct': '--rw=randwrite --bs=4k --direct=1',
  'random writes of odd sizes': '--rw=randwrite --bsrange=512-65536 --bs_unaligned=1',
  'random reads and writes, mapped': '--rw=randwrite --bs=4k --ioengine=mmap',
  'asynchronous, direct': '--rw=randwrite --bs=16k --direct=1 --ioengine=libaio --iodepth=16',
  'with fallocate': '--rw=randwrite --bs=8k --fallocate=posix',
  'with fsync': '--rw=randwrite --bs=8k --fsync=16 --size=8m',
  'four jobs': '--rw=randwrite --bs=32k --numjobs=4 --size=16m',
};

const fio: Suite = {
  name: 'fio',
  about: 'jobs of several kinds with verify=crc32c',
  size: '2g',
  needs: ['fio'],
  async run(context) {
    const results: CaseResult[] = [];
    for (const [name, options] of Object.entries(JOBS)) {
      const common = '--name=job --size=64m --ioengine=psync --randseed=1 --group_reporting --output-format=terse';
      const verify = '--verify=crc32c --do_verify=1 --verify_fatal=1 --directory=.';
      const words = `${common} ${verify} ${options}`.split(' ');
      const text = await limited(context, 'fio', words, { timeout: context.limit / 4 });
      context.log('fio.log', `== ${name}\n${text}\n`);
      await context.volume.bash('rm -f job.*');
      const good = /ended with 0\n/.test(text) && !/verify:|error=/.test(text);
      results.push({ name, result: good ? 'passed' : 'failed', detail: good ? '' : text.slice(0, 500) });
    }
    return results;
  },
};

const bonnie: Suite = {
  name: 'bonnie++',
  about: 'its usual run, small',
  size: '4g',
  needs: ['bonnie++'],
  async run(context) {
    const args = ['-d', context.volume.dir, '-u', 'root', '-s', '512', '-r', '256', '-n', '8:4096:0:4', '-q'];
    const text = await limited(context, 'bonnie++', args, { timeout: context.limit });
    context.log('bonnie++.log', text);
    const good = /ended with 0\n/.test(text) && !/error|drastic/i.test(text);
    return [{ name: 'run', result: good ? 'passed' : 'failed', detail: text.slice(-1000) }];
  },
};

const dbench: Suite = {
  name: 'dbench',
  about: 'four clients for thirty seconds, and with synchronous operations on directories',
  size: '4g',
  needs: ['dbench'],
  async run(context) {
    const results: CaseResult[] = [];
    for (const [name, options] of [
      ['four clients', []],
      ['synchronous', ['-s', '-S']],
    ] as const) {
      const args = ['-D', context.volume.dir, '-t', '20', ...options, '4'];
      const text = await limited(context, 'dbench', args, { timeout: 120_000 });
      context.log('dbench.log', `== ${name}\n${text}\n`);
      const good = /Throughput \d/.test(text) && /ended with 0\n/.test(text) && !/\) failed|ERROR/.test(text);
      results.push({
        name,
        result: good ? 'passed' : 'failed',
        detail: /Throughput.*/.exec(text)?.[0] ?? text.slice(-1000),
      });
    }
    return results;
  },
};

export const packaged: readonly Suite[] = [stressNg, fio, bonnie, dbench];
