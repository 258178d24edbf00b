import type { Screen } from '../picture/terminal.ts';

/** Where text goes: a terminal with its size, or something else, 80 columns wide. NO_COLOR (no-color.org) is heeded. */
export function screen(out: NodeJS.WriteStream = process.stdout): Screen {
  const columns = out.isTTY ? out.columns : Number(process.env.COLUMNS) || 80;
  const color = out.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  return { columns, rows: out.isTTY ? out.rows : 24, color: color || Boolean(process.env.FORCE_COLOR) };
}

/** Cuts a line to a width, with an ellipsis; knows nothing of colours. */
export function cut(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}
