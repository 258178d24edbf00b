import { bytes } from '../system/units.ts';
import { type Cell, cellsOf, totals } from './cells.ts';
import { LOOKS } from './colors.ts';
import { type DeviceMap, STATES } from './device.ts';

/** Cells of a row, and rows. */
const ACROSS = 96;
const DOWN = 40;
/** Pixels. */
const CELL = 10;
const MARGIN = 16;
const TOP = 44;

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[^\t\n\r\x20-\uFFFD]/g, '\uFFFD');
}

/** The device as a drawing of its own: cells with a tooltip each, a legend, a title. */
export function deviceSvg(map: DeviceMap): string {
  const cells = cellsOf(map, ACROSS * DOWN);
  const width = MARGIN * 2 + ACROSS * CELL;
  const down = Math.ceil(cells.length / ACROSS);
  const legendTop = TOP + down * CELL + 24;
  const height = legendTop + STATES.length * 20 + MARGIN;
  const title = `${map.image}: ${bytes(map.blocks * map.blockSize)}, ${map.files} files in ${map.extents} extents`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      `role="img" aria-label="${escapeXml(title)}" font-family="system-ui, sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${MARGIN}" y="28" font-size="15" font-weight="600">${escapeXml(title)}</text>`,
    `<g class="cells" stroke="#fff" stroke-width="0.5">`,
    ...cells.map((cell, i) => rect(map, cell, MARGIN + (i % ACROSS) * CELL, TOP + Math.floor(i / ACROSS) * CELL)),
    '</g>',
    ...legend(map, legendTop),
    '</svg>',
    '',
  ].join('\n');
}

function rect(map: DeviceMap, cell: Cell, x: number, y: number): string {
  const { color } = LOOKS[cell.shown];
  // A cell that is partly free is paler.
  const opacity = cell.shown === 'free' ? 1 : 0.35 + 0.65 * (1 - cell.shares.free);
  return (
    `<rect class="${cell.shown}" x="${x}" y="${y}" width="${CELL}" height="${CELL}" fill="${color}" ` +
    `fill-opacity="${opacity.toFixed(2)}"><title>${escapeXml(describe(map, cell))}</title></rect>`
  );
}

/** What a tooltip says. */
export function describe(map: DeviceMap, cell: Cell): string {
  const from = bytes(cell.start * map.blockSize);
  const shares = STATES.filter((state) => cell.shares[state] > 0).map(
    (state) => `${state} ${(100 * cell.shares[state]).toFixed(0)}%`,
  );
  return [`${bytes(cell.length * map.blockSize)} at ${from}: ${shares.join(', ')}`, ...cell.whats].join('\n');
}

function legend(map: DeviceMap, top: number): string[] {
  const blocks = totals(map);
  const rows = STATES.map((state, i) => {
    const y = top + i * 20;
    const share = ((100 * blocks[state]) / map.blocks).toFixed(1);
    const text = `${state} ${bytes(blocks[state] * map.blockSize)} (${share}%): ${LOOKS[state].meaning}`;
    return (
      `<rect x="${MARGIN}" y="${y}" width="14" height="14" fill="${LOOKS[state].color}" stroke="#868e96"/>` +
      `<text x="${MARGIN + 22}" y="${y + 12}">${escapeXml(text)}</text>`
    );
  });
  return [`<g class="legend">`, ...rows, '</g>'];
}
