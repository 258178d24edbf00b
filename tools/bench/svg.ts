import { figure } from './markdown.ts';
import type { Results } from './results.ts';
import { isTime } from './rows.ts';
import { median } from './statistics.ts';

const COLOURS: Record<string, string> = {
  layoutfs: '#0b6e4f',
  onefile: '#5b8db8',
  fuse2fs: '#c9a227',
  'ntfs-3g': '#b5563c',
  'fuse-native': '#9b72aa',
  'fuse2fs-loose': '#e3cf86',
  'ntfs-3g-loose': '#dba393',
  ext4: '#8d99ae',
  xfs: '#bfc5d2',
  bare: '#dfe3ea',
  'device window': '#2fa36b',
  'guarded window': '#8fd0b0',
};
const LEFT = 330;
const WIDTH = 960;
const BAR = 11;
const GAP = 16;

/** Bars of each row, as parts of the best figure in it; longer is better, for times too. */
export function svg(results: Results): string {
  const rows = results.rows.filter((row) => Object.values(row.samples).some((sample) => sample.values.length > 0));
  const parts: string[] = [];
  let y = 82;
  for (const row of rows) {
    const measured = results.peers.flatMap((peer) => {
      const values = row.samples[peer.name]?.values ?? [];
      return values.length > 0 ? [{ name: peer.name, value: median(values) }] : [];
    });
    const good = (value: number): number => (isTime(row.unit) ? 1 / value : value);
    const best = Math.max(...measured.map((entry) => good(entry.value)));
    parts.push(text(LEFT - 10, y + (measured.length * BAR) / 2 + 4, row.title, 'end', 12));
    for (const { name, value } of measured) {
      const width = Math.max(1, (good(value) / best) * (WIDTH - LEFT - 120));
      const title = `<title>${name}: ${figure(value)} ${row.unit}</title>`;
      parts.push(
        `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 2}" fill="${COLOURS[name] ?? '#999'}">${title}</rect>`,
      );
      parts.push(text(LEFT + width + 5, y + BAR - 3, `${figure(value)} ${row.unit}`, 'start', 9));
      y += BAR;
    }
    y += GAP;
  }
  const legend = results.peers.map((peer, place) => {
    const x = 20 + (place % 7) * 132;
    const y = 34 + Math.floor(place / 7) * 18;
    return `<rect x="${x}" y="${y}" width="12" height="12" fill="${COLOURS[peer.name] ?? '#999'}"/>${text(x + 18, y + 10, peer.name, 'start', 12)}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" role="img">
<title>Benchmark: longer is better</title><rect width="${WIDTH}" height="${y}" fill="#fff"/>
${text(20, 22, `Longer is better; median of ${results.rounds} rounds, Linux ${results.machine.kernel}`, 'start', 13)}
${legend.join('\n')}
${parts.join('\n')}
</svg>
`;
}

function text(x: number, y: number, words: string, anchor: string, size: number): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" text-anchor="${anchor}" fill="#222">${escaped}</text>`;
}
