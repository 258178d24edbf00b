/**
 * A flame graph of what the request loop does, from a profile of the daemon:
 *
 *     node --cpu-prof --cpu-prof-dir=DIR bin/layoutfs.mjs mount -f IMAGE MOUNTPOINT     # then load it, then unmount
 *     npx tsx tools/bench/flame.ts DIR/CPU.*.0.001.cpuprofile OUT.svg [--root serve] [--title TEXT]
 *
 * Only what runs below the function `--root` is drawn: start and end of the process are not. A system call is as wide as it
 * took, the time in which another process had the processor included: `read` holds the wait for the next request.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

interface ProfileNode {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
  children?: number[];
}

interface Profile {
  nodes: ProfileNode[];
  samples: number[];
  /** Microseconds before each sample. */
  timeDeltas: number[];
}

/** Calls of one function from one place, and what they call. Times in microseconds. */
interface Frame {
  name: string;
  total: number;
  callees: Map<string, Frame>;
}

const WIDTH = 1000;
const ROW = 17;
/** Narrower frames are left out, pixels. */
const NARROWEST = 1;
const CHARACTER = 6.2;

/** All calls below the functions named `root`, put together by their names. */
export function framesBelow(profile: Profile, root: string): Frame {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const own = new Map<number, number>();
  profile.samples.forEach((id, i) => {
    own.set(id, (own.get(id) ?? 0) + profile.timeDeltas[i]);
  });
  const top: Frame = { name: root, total: 0, callees: new Map() };

  const enter = (frame: Frame, node: ProfileNode): number => {
    let total = own.get(node.id) ?? 0;
    for (const id of node.children ?? []) {
      const child = byId.get(id) as ProfileNode;
      const name = nameOf(child);
      const callee = frame.callees.get(name) ?? { name, total: 0, callees: new Map() };
      frame.callees.set(name, callee);
      total += enter(callee, child);
    }
    frame.total += total;
    return total;
  };
  const seek = (node: ProfileNode): void => {
    if (node.callFrame.functionName === root) enter(top, node);
    else for (const id of node.children ?? []) seek(byId.get(id) as ProfileNode);
  };
  seek(profile.nodes[0]);
  return top;
}

function nameOf({ callFrame }: ProfileNode): string {
  const file = callFrame.url.split('/').slice(-2).join('/');
  return `${callFrame.functionName || '(anonymous)'}${file === '' ? '' : ` ${file}`}`;
}

/** The graph as SVG, callers above callees. */
export function flame(top: Frame, title: string): string {
  const boxes: string[] = [];
  let depth = 0;
  const draw = (frame: Frame, x: number, level: number): void => {
    const width = (frame.total / top.total) * WIDTH;
    if (width < NARROWEST) return;
    depth = Math.max(depth, level);
    const y = 24 + level * ROW;
    const share = `${((frame.total / top.total) * 100).toFixed(1)} %`;
    const room = Math.floor((width - 4) / CHARACTER);
    const text =
      room < 4 ? '' : `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escaped(frame.name.slice(0, room))}</text>`;
    boxes.push(
      `<g><title>${escaped(frame.name)} ${share}</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}"` +
        ` height="${ROW - 1}" fill="${colour(frame.name)}"/>${text}</g>`,
    );
    let at = x;
    for (const callee of [...frame.callees.values()].sort((a, b) => b.total - a.total)) {
      draw(callee, at, level + 1);
      at += (callee.total / top.total) * WIDTH;
    }
  };
  draw(top, 0, 0);
  const height = 24 + (depth + 1) * ROW + 4;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="monospace" font-size="10">` +
    `<rect width="100%" height="100%" fill="#fff"/><text x="4" y="15" font-size="13">${escaped(title)}</text>` +
    `${boxes.join('\n')}</svg>\n`
  );
}

/** System calls blue, SQLite green, the garbage collector grey, our own code warm. */
function colour(name: string): string {
  if (name.includes('system/')) return '#9dc3e6';
  if (name.includes('volume/database')) return '#a9d18e';
  if (name.startsWith('(')) return '#d0cece';
  return ['#f8cbad', '#fbe5d6', '#ffe699'][name.length % 3];
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { root: { type: 'string', default: 'serve' }, title: { type: 'string', default: '' } },
});
const [input, output] = positionals;
if (output === undefined) {
  console.error('flame.ts IN.cpuprofile OUT.svg [--root FUNCTION] [--title TEXT]');
  process.exitCode = 2;
} else {
  const top = framesBelow(JSON.parse(readFileSync(input, 'utf8')) as Profile, values.root);
  writeFileSync(output, flame(top, values.title || `below ${values.root}`));
}
