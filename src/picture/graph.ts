import { escapeXml } from './svg.ts';

/** A row of `.layout/leases`. */
export interface LeaseRow {
  id: number;
  kind: string;
  mode: string;
  state: string;
  range: string;
  pid: number;
  command: string;
  age: string;
  deadline: string;
  path: string;
}

/** A row of `.layout/waiters`. */
export interface WaiterRow {
  id: number;
  what: string;
  operation: string;
  pid: number;
  command: string;
  age: string;
  deadline: string;
  /** Those that are waited for. */
  leases: number[];
}

export interface LeaseTables {
  leases: LeaseRow[];
  waiters: WaiterRow[];
}

const holderOf = ({ pid, command }: LeaseRow): string => `${pid} (${command})`;
const leaseText = ({ id, kind, mode, state }: LeaseRow): string => `lease ${id}: ${kind} ${mode}, ${state}`;
const waiterText = ({ pid, command, operation }: WaiterRow): string => `${pid} (${command}) ${operation}`;
const due = (deadline: string): string => (deadline === '-' ? '' : `, ${deadline} left`);

/** A tree: files, their leases with the holders, and under each lease who waits for it. */
export function graphText({ leases, waiters }: LeaseTables): string {
  if (leases.length === 0) return 'no leases';
  const lines: string[] = [];
  for (const path of [...new Set(leases.map((lease) => lease.path))].sort()) {
    lines.push(path);
    const here = leases.filter((lease) => lease.path === path);
    here.forEach((lease, at) => {
      const last = at === here.length - 1;
      const text = `${leaseText(lease)}, bytes ${lease.range}, held by ${holderOf(lease)} for ${lease.age}`;
      lines.push(`${last ? '└─' : '├─'} ${text}${due(lease.deadline)}`);
      const waiting = waiters.filter((waiter) => waiter.leases.includes(lease.id));
      waiting.forEach((waiter, n) => {
        const arm = n === waiting.length - 1 ? '└─' : '├─';
        lines.push(
          `${last ? '  ' : '│ '} ${arm} ${waiterText(waiter)} waits since ${waiter.age}${due(waiter.deadline)}`,
        );
      });
    });
  }
  return lines.join('\n');
}

/** For graphviz: waiters -> leases -> holders. */
export function graphDot({ leases, waiters }: LeaseTables): string {
  const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;
  const holders = new Map(leases.map((lease) => [lease.pid, holderOf(lease)]));
  return [
    'digraph leases {',
    '  rankdir=LR; node [fontname="sans-serif", fontsize=11]; edge [fontname="sans-serif", fontsize=10];',
    ...[...holders].map(([pid, text]) => `  p${pid} [shape=box, style=rounded, label=${quote(text)}];`),
    ...leases.map((lease) => {
      const color = lease.state === 'granted' ? '#4c78a8' : '#d62728';
      return `  l${lease.id} [shape=box, color="${color}", label=${quote(`${lease.path}\n${leaseText(lease)}`)}];`;
    }),
    ...waiters.map((waiter) => `  w${waiter.id} [shape=ellipse, label=${quote(waiterText(waiter))}];`),
    ...leases.map((lease) => `  l${lease.id} -> p${lease.pid} [label="held by"];`),
    ...waiters.flatMap((w) =>
      w.leases.map((id) => `  w${w.id} -> l${id} [label=${quote(`waits ${w.age}`)}, style=dashed];`),
    ),
    '}',
    '',
  ].join('\n');
}

/** Characters that surely fit into a box. */
const LINE = 34;

/** Pixels. */
const BOX = { width: 300, height: 46, gap: 14, between: 90, margin: 20, top: 56 };

interface Node {
  id: string;
  column: number;
  row: number;
  lines: string[];
  color: string;
  tip: string;
}

/** Three columns: who waits, the leases, who holds. */
export function graphSvg(tables: LeaseTables): string {
  const leases = [...tables.leases].sort((a, b) => a.path.localeCompare(b.path) || a.id - b.id);
  const { waiters } = tables;
  const pids = [...new Set(leases.map(({ pid }) => pid))];
  const nodes: Node[] = [
    ...waiters.map((w, row) => ({
      id: `w${w.id}`,
      column: 0,
      row,
      lines: [`${w.pid} (${w.command})`, w.operation],
      color: '#f2a104',
      tip: `${waiterText(w)} waits since ${w.age}${due(w.deadline)}`,
    })),
    ...leases.map((l, row) => ({
      id: `l${l.id}`,
      column: 1,
      row,
      lines: [l.path, leaseText(l)],
      color: l.state === 'granted' ? '#4c78a8' : '#d62728',
      tip: `${l.path}\n${leaseText(l)}, bytes ${l.range}\nheld for ${l.age}${due(l.deadline)}`,
    })),
    ...pids.map((pid, row) => {
      const held = leases.filter((l) => l.pid === pid);
      const text = holderOf(held[0] as LeaseRow);
      const count = `${held.length} lease${held.length === 1 ? '' : 's'}`;
      return { id: `p${pid}`, column: 2, row, lines: [text, count], color: '#495057', tip: `${text} holds ${count}` };
    }),
  ];
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const edges = [
    ...waiters.flatMap((w) => w.leases.map((id) => ['waits', `w${w.id}`, `l${id}`] as const)),
    ...leases.map((l) => ['held', `l${l.id}`, `p${l.pid}`] as const),
  ].filter(([, from, to]) => byId.has(from) && byId.has(to));
  const rows = Math.max(1, waiters.length, leases.length, pids.length);
  const width = 2 * BOX.margin + 3 * BOX.width + 2 * BOX.between;
  const height = BOX.top + rows * (BOX.height + BOX.gap) + BOX.margin;
  const heads = ['waits', 'lease', 'held by'].map(
    (text, column) => `<text class="head" x="${left(column)}" y="34" font-weight="600">${text}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      `role="img" aria-label="leases, holders and waiters" font-family="system-ui, sans-serif" font-size="13">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...heads,
    ...edges.map(([kind, from, to]) => edge(kind, byId.get(from) as Node, byId.get(to) as Node)),
    ...nodes.map(box),
    '</svg>',
    '',
  ].join('\n');
}

const left = (column: number): number => BOX.margin + column * (BOX.width + BOX.between);
const top = (row: number): number => BOX.top + row * (BOX.height + BOX.gap);

function edge(kind: string, from: Node, to: Node): string {
  const [x1, y1] = [left(from.column) + BOX.width, top(from.row) + BOX.height / 2];
  const [x2, y2] = [left(to.column), top(to.row) + BOX.height / 2];
  const bend = BOX.between / 2;
  const dash = kind === 'waits' ? ' stroke-dasharray="5 4"' : '';
  return (
    `<path class="${kind}" data-from="${from.id}" data-to="${to.id}" fill="none" stroke="#868e96" stroke-width="1.5"${dash} ` +
    `d="M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}"/>`
  );
}

function box({ id, column, row, lines, color, tip }: Node): string {
  const [x, y] = [left(column), top(row)];
  const text = lines.map(
    (line, i) =>
      `<text x="${x + 12}" y="${y + 19 + i * 17}"${i === 0 ? ' font-weight="600"' : ''}>${escapeXml(short(line))}</text>`,
  );
  return (
    `<g id="${id}"><title>${escapeXml(tip)}</title><rect x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" ` +
    `rx="6" fill="#fff" stroke="${color}" stroke-width="2"/>${text.join('')}</g>`
  );
}

/** The end of a path tells more than its beginning. */
function short(line: string): string {
  return line.length <= LINE ? line : `…${line.slice(1 - LINE)}`;
}
