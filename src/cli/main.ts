import { readFileSync } from 'node:fs';
import { type Command, type Group, groupHelp, HELP, helpOf, isGroup, parse } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EXIT } from './exit.ts';
import { print } from './output.ts';
import { failureOf, report } from './report.ts';

const ROOT: Group = {
  name: 'layoutfs',
  summary: 'a filesystem with layout leases: the blocks under this file will not move without my leave',
  commands: COMMANDS,
};

/**
 * The command line. `program` is the name it was called by: `layoutfs`, or one of the names that other programs expect
 * (mkfs.layoutfs, fsck.layoutfs, mount.layoutfs). Gives the exit code; never throws.
 */
export async function main(program: string, argv: readonly string[]): Promise<number> {
  const json = argv.slice(0, argv.indexOf('--') < 0 ? argv.length : argv.indexOf('--')).includes('--json');
  // A reader that has seen enough (`layoutfs … | head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.ok);
  });
  try {
    if (argv[0] === '--version' || argv[0] === '-V') return version(json);
    switch (program) {
      case 'mkfs.layoutfs':
        return await runCommand(program, (await import('./mkfs.ts')).mkfs, argv);
      case 'fsck.layoutfs':
        return await (await import('./fsck.ts')).fsckHelper(argv);
      case 'mount.layoutfs':
        return await (await import('./mount-helper.ts')).mountHelper(argv);
      default:
        if (isMountLine(argv)) return await (await import('./mount-helper.ts')).mountHelper(argv);
        return await descend(program, ROOT, argv);
    }
  } catch (error) {
    return report(program, failureOf(error), json);
  }
}

/**
 * `layoutfs IMAGE DIR -o OPTIONS`: how mount.fuse3(8) calls a filesystem for `-t fuse.layoutfs`, where there is no
 * mount.fuse.layoutfs in /sbin. A path has a slash in it, and no command has.
 */
function isMountLine(argv: readonly string[]): boolean {
  return argv[0]?.startsWith('-') === false && argv[0].includes('/') && argv[1] !== undefined;
}

async function descend(name: string, group: Group, argv: readonly string[]): Promise<number> {
  const word = argv[0];
  if (word === undefined || word === '--help' || word === '-h' || word === 'help') {
    if (word === 'help' && argv[1] !== undefined) return descend(name, group, [argv[1], ...argv.slice(2), '--help']);
    if (word === undefined) {
      process.stderr.write(groupHelp(name, group));
      return EXIT.usage;
    }
    print(groupHelp(name, group));
    return EXIT.ok;
  }
  const found = group.commands.find((command) => command.name === word);
  if (found === undefined) {
    const known = group.commands.map((command) => command.name).join(' ');
    const what = word.startsWith('-') ? 'option' : 'command';
    process.stderr.write(`${name}: there is no ${what} "${word}". There are: ${known}\n`);
    return EXIT.usage;
  }
  const command = await found.load();
  const called = `${name} ${found.name}`;
  return isGroup(command) ? descend(called, command, argv.slice(1)) : runCommand(called, command, argv.slice(1));
}

async function runCommand(name: string, command: Command, argv: readonly string[]): Promise<number> {
  const own = command.takesCommand && argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  try {
    const args = parse(command, argv);
    if (args === HELP) {
      print(helpOf(name, command));
      return EXIT.ok;
    }
    return await command.run(args);
  } catch (error) {
    const failure = failureOf(error);
    const code = report(name, failure, own.includes('--json'));
    // A request that waits for somebody would keep the process: its end is what takes the request back.
    if (code === EXIT.interrupted) (await import('../system/libc.ts')).exitNow(code);
    if (code === EXIT.usage && !own.includes('--json')) process.stderr.write(`See "${name} --help".\n`);
    return code;
  }
}

function version(json: boolean): number {
  const { version: number } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  print(json ? JSON.stringify({ name: 'layoutfs', version: number }) : `layoutfs ${number}`);
  return EXIT.ok;
}
