import { bytes } from '../system/units.ts';
import { scattered, totals } from './cells.ts';
import { LOOKS } from './colors.ts';
import { type DeviceMap, STATES } from './device.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import { escapeXml } from './svg.ts';

/** Spans that a page holds at most; beyond that the shortest gaps between neighbours of one state are closed. */
const SPANS = 100_000;

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.25rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .25rem 0 1rem; opacity: .75; }
#map { width: 100%; height: 26rem; display: block; border: 1px solid #868e96; border-radius: 4px; cursor: crosshair; }
nav { display: flex; gap: .5rem; align-items: center; margin: .75rem 0; }
nav output { margin-left: auto; font-variant-numeric: tabular-nums; }
button { font: inherit; min-width: 2.2rem; }
table { border-collapse: collapse; margin-top: 1rem; }
td, th { padding: .15rem .9rem .15rem 0; text-align: left; font-weight: normal; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.swatch { display: inline-block; width: 1em; height: 1em; border: 1px solid #868e96; vertical-align: -.15em; }
#tip { position: fixed; pointer-events: none; white-space: pre-line; background: #212529; color: #fff; padding: .3rem .6rem;
  border-radius: 4px; font-size: 13px; max-width: 34rem; overflow-wrap: anywhere; }
.runs { display: flex; align-items: end; gap: 2px; height: 6rem; }
.runs div { flex: 1; background: #4c78a8; min-height: 1px; }
.sizes { display: flex; gap: 2px; font-size: 12px; opacity: .75; margin-top: .2rem; font-variant-numeric: tabular-nums; }
.sizes span { flex: 1; white-space: pre-line; overflow: hidden; }
`;

/** One page without any other file: the device drawn by spans, zoomable, with tooltips, a legend and the free runs. */
export function deviceHtml(map: DeviceMap): string {
  const blocks = totals(map);
  const data = {
    blocks: map.blocks,
    blockSize: map.blockSize,
    states: STATES.map((state) => [state, LOOKS[state].color]),
    spans: compact(map),
  };
  // A name in the data may hold "</script>".
  const json = JSON.stringify(data).replace(/</g, '\\u003c');
  const legend = STATES.map(
    (state) =>
      `<tr data-state="${state}"><td><span class="swatch" style="background:${LOOKS[state].color}"></span> ${state}</td>` +
      `<td class="n">${bytes(blocks[state] * map.blockSize)}</td>` +
      `<td class="n">${((100 * blocks[state]) / map.blocks).toFixed(2)}%</td><td>${LOOKS[state].meaning}</td></tr>`,
  );
  const most = Math.max(1, ...map.freeRuns);
  const bars = map.freeRuns.map(
    (n, k) =>
      `<div style="height:${((100 * n) / most).toFixed(1)}%" title="${n} free runs of ${bytes(2 ** k * map.blockSize)} ` +
      `to ${bytes(2 ** (k + 1) * map.blockSize)}"></div>`,
  );
  const sizes = map.freeRuns.map((n, k) => `<span>${bytes(2 ** k * map.blockSize)}${n > 0 ? `\n${n} ×` : ''}</span>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeXml(map.image)} – layoutfs map</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeXml(map.image)}</h1>
<p>${bytes(map.blocks * map.blockSize)} in blocks of ${bytes(map.blockSize)}; ${map.files} files in ${map.extents} extents; UUID ${escapeXml(map.uuid)}</p>
<nav><button id="in" title="zoom in (+)">+</button><button id="out" title="zoom out (-)">−</button><button id="all" title="the whole device (0)">all</button>
<button id="left" title="to the left">←</button><button id="right" title="to the right">→</button><output id="range"></output></nav>
<svg id="map" role="img" aria-label="map of the device" preserveAspectRatio="none"></svg>
<div id="tip" hidden></div>
<table id="legend"><caption hidden>Legend</caption>${legend.join('\n')}</table>
<h2 style="font-size:1rem">Free runs by length</h2>
<p>The longest is ${bytes(map.longestFree * map.blockSize)}; ${(100 * scattered(map)).toFixed(0)}% of the free space lies elsewhere.</p>
<div class="runs" id="runs">${bars.join('')}</div>
<div class="sizes" aria-hidden="true">${sizes.join('')}</div>
<script type="application/json" id="data">${json}</script>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

/** Spans as [start, length, state, what, lease]: half the bytes of objects. */
function compact(map: DeviceMap): [number, number, number, string, number][] {
  let spans = map.spans;
  for (let gap = 1; spans.length > SPANS; gap *= 4) {
    const merged: typeof spans = [];
    for (const span of spans) {
      const last = merged.at(-1);
      const near = last !== undefined && span.start - (last.start + last.length) <= gap;
      if (near && last.state === span.state) last.length = span.start + span.length - last.start;
      else merged.push({ ...span });
    }
    spans = merged;
  }
  return spans.map(({ start, length, state, what, lease }) => [start, length, STATES.indexOf(state), what, lease ?? 0]);
}
