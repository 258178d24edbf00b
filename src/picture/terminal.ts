import { bytes } from '../system/units.ts';
import { cellsOf, scattered, totals } from './cells.ts';
import { LOOKS } from './colors.ts';
import { type DeviceMap, STATES } from './device.ts';

export interface Screen {
  columns: number;
  rows: number;
  color: boolean;
}

/** How full a cell of ordinary files is, in five steps. */
const SHADES = ['·', '░', '▒', '▓', '█'];

/** The device as lines of text, from its first block at the top left to the last one at the bottom right. */
export function deviceText(map: DeviceMap, { columns, rows, color }: Screen): string {
  const width = Math.max(10, columns);
  const cells = cellsOf(map, width * Math.max(1, rows));
  const lines: string[] = [];
  for (let at = 0; at < cells.length; at += width) {
    let line = '';
    let last = -1;
    for (const { shown, shares } of cells.slice(at, at + width)) {
      const { ansi, letter } = LOOKS[shown];
      const fill = SHADES[Math.min(4, Math.ceil((1 - shares.free) * 4))] as string;
      if (color && ansi !== last) line += `\x1b[38;5;${ansi}m`;
      last = ansi;
      line += shown === 'used' || shown === 'free' ? fill : color ? '█' : letter;
    }
    lines.push(color ? `${line}\x1b[0m` : line);
  }
  return [...lines, '', ...legend(map, color)].join('\n');
}

function legend(map: DeviceMap, color: boolean): string[] {
  const blocks = totals(map);
  const paint = (text: string, ansi: number): string => (color ? `\x1b[38;5;${ansi}m${text}\x1b[0m` : text);
  const rows = STATES.filter((state) => blocks[state] > 0).map((state) => {
    const { ansi, letter, meaning } = LOOKS[state];
    const mark = state === 'used' ? '█' : state === 'free' ? '·' : color ? '█' : letter;
    const size = bytes(blocks[state] * map.blockSize).padStart(9);
    const share = `${((100 * blocks[state]) / map.blocks).toFixed(1)}%`.padStart(6);
    return `${paint(mark, ansi)} ${state.padEnd(11)} ${size} ${share}  ${meaning}`;
  });
  const runs = map.freeRuns.reduce((sum, n) => sum + n, 0);
  const longest = bytes(map.longestFree * map.blockSize);
  return [
    ...rows,
    '',
    `${map.files} files in ${map.extents} extents; free space in ${runs} runs, the longest ${longest}, ` +
      `${(100 * scattered(map)).toFixed(0)}% of it elsewhere`,
  ];
}
