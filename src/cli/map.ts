import { existsSync, statSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from './command.ts';
import { CommandError, EXIT, usageError } from './exit.ts';
import { mountAt } from './mounts.ts';
import { print, printJson } from './output.ts';
import { screen } from './screen.ts';

/** Lines of a terminal that the legend and the prompt need. */
const BELOW = 12;

export const map: Command = {
  name: 'map',
  summary: 'draw the device of a volume: used, free, leased, sealed, quarantined',
  usage: 'IMAGE|DIR [--svg FILE] [--html FILE]',
  about:
    'Of a mounted volume (DIR, or its IMAGE) as of its last commit, at most commit= seconds ago. The HTML page needs no other\n' +
    'file and can be zoomed into. FILE may be - for standard output. NO_COLOR=1 gives letters for colours.',
  options: {
    svg: { type: 'string', value: 'FILE', help: 'write a drawing' },
    html: { type: 'string', value: 'FILE', help: 'write a page to look into' },
    rows: { type: 'string', value: 'N', help: 'lines of the picture (default: what the terminal has)' },
  },
  positionals: [1, 1],
  examples: ['layoutfs map disk.img', 'layoutfs map /mnt --html map.html', 'layoutfs map disk.img --json'],
  async run({ options, positionals, json }) {
    const image = imageOf(positionals[0] as string);
    const { readDevice } = await import('../picture/device.ts');
    const device = readDevice(image);
    if (typeof options.svg === 'string') {
      write(options.svg, (await import('../picture/svg.ts')).deviceSvg(device));
    }
    if (typeof options.html === 'string') {
      write(options.html, (await import('../picture/html.ts')).deviceHtml(device));
    }
    if (json) {
      const { scattered, totals } = await import('../picture/cells.ts');
      printJson({ ...device, totals: totals(device), scattered: scattered(device) });
    } else if (options.svg === undefined && options.html === undefined) {
      const { columns, rows, color } = screen();
      const asked = options.rows === undefined ? Math.max(4, rows - BELOW) : Number(options.rows);
      if (!Number.isInteger(asked) || asked < 1) throw usageError(`--rows: "${String(options.rows)}" is not a number`);
      const { deviceText } = await import('../picture/terminal.ts');
      print(deviceText(device, { columns, rows: asked, color }));
    }
    return EXIT.ok;
  },
};

function imageOf(place: string): string {
  if (!existsSync(place)) throw new CommandError(`${place}: there is no such volume or mount`, EXIT.missing, 'ENOENT');
  return statSync(place).isDirectory() ? mountAt(place).source : resolve(place);
}

function write(file: string, text: string): void {
  if (file === '-') process.stdout.write(text);
  else writeFileSync(file, text);
}
