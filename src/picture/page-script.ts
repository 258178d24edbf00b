/**
 * What runs in the browser: draws the part of the device that is looked at, in rows, each span as a rectangle. Plain
 * JavaScript as a text, since the page must not need a second file.
 */
export const PAGE_SCRIPT = String.raw`
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const svg = document.getElementById('map');
const tip = document.getElementById('tip');
const range = document.getElementById('range');
const NS = 'http://www.w3.org/2000/svg';
const ROWS = 24, WIDTH = 1000, HEIGHT = ROWS * 20;
let from = 0, to = data.blocks;

function bytes(count) {
  const units = ['', 'K', 'M', 'G', 'T', 'P'];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit++; }
  return (Number.isInteger(count) ? count : count.toFixed(1)) + units[unit];
}

function firstFrom(block) {
  let low = 0, high = data.spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.spans[middle][0] + data.spans[middle][1] <= block) low = middle + 1; else high = middle;
  }
  return low;
}

function draw() {
  const perRow = (to - from) / ROWS;
  const parts = [];
  const put = (start, end, span) => {
    const [state, color] = data.states[span[2]];
    for (let row = Math.max(0, Math.floor((start - from) / perRow)); row < ROWS; row++) {
      const rowStart = from + row * perRow;
      if (rowStart >= Math.min(end, to)) break;
      const a = Math.max(start, rowStart), b = Math.min(end, to, rowStart + perRow);
      if (b <= a) continue;
      parts.push('<rect class="' + state + '" data-span="' + span[5] + '" x="' + ((a - rowStart) / perRow * WIDTH).toFixed(2) +
        '" y="' + row * 20 + '" width="' + Math.max(0.6, (b - a) / perRow * WIDTH).toFixed(2) + '" height="18" fill="' + color + '"/>');
    }
  };
  const free = data.states.findIndex(([name]) => name === 'free');
  put(from, to, [from, to - from, free, '', 0, -1]);
  for (let i = firstFrom(from); i < data.spans.length && data.spans[i][0] < to; i++) {
    const span = data.spans[i];
    put(span[0], span[0] + span[1], [...span.slice(0, 5), i]);
  }
  svg.setAttribute('viewBox', '0 0 ' + WIDTH + ' ' + HEIGHT);
  svg.innerHTML = parts.join('');
  range.textContent = bytes(Math.round(from) * data.blockSize) + ' – ' + bytes(Math.round(to) * data.blockSize);
}

function zoom(factor, around) {
  const length = Math.min(data.blocks, Math.max(ROWS, (to - from) * factor));
  const share = (around - from) / (to - from);
  from = Math.max(0, Math.min(data.blocks - length, around - share * length));
  to = from + length;
  draw();
}
function move(share) {
  const length = to - from;
  from = Math.max(0, Math.min(data.blocks - length, from + share * length));
  to = from + length;
  draw();
}
function blockAt(event) {
  const box = svg.getBoundingClientRect();
  const row = Math.min(ROWS - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * ROWS)));
  const column = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  return from + (row + column) * (to - from) / ROWS;
}

svg.addEventListener('wheel', (event) => { event.preventDefault(); zoom(event.deltaY < 0 ? 0.5 : 2, blockAt(event)); }, { passive: false });
svg.addEventListener('dblclick', (event) => zoom(0.25, blockAt(event)));
svg.addEventListener('mousemove', (event) => {
  const block = Math.floor(blockAt(event));
  const span = data.spans[firstFrom(block)];
  const hit = span && span[0] <= block ? span : undefined;
  const place = 'block ' + block + ', at ' + bytes(block * data.blockSize);
  tip.textContent = hit
    ? data.states[hit[2]][0] + (hit[4] ? ' (lease ' + hit[4] + ')' : '') + ': ' + hit[3] + '\n' + bytes(hit[1] * data.blockSize) + ' from ' + bytes(hit[0] * data.blockSize) + '; ' + place
    : 'free: ' + place;
  tip.hidden = false;
  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + 'px';
  tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + 'px';
});
svg.addEventListener('mouseleave', () => { tip.hidden = true; });
const middle = () => (from + to) / 2;
document.getElementById('in').onclick = () => zoom(0.5, middle());
document.getElementById('out').onclick = () => zoom(2, middle());
document.getElementById('all').onclick = () => zoom(Infinity, middle());
document.getElementById('left').onclick = () => move(-0.5);
document.getElementById('right').onclick = () => move(0.5);
addEventListener('keydown', (event) => {
  if (event.key === '+' || event.key === '=') zoom(0.5, middle());
  else if (event.key === '-') zoom(2, middle());
  else if (event.key === '0') zoom(Infinity, middle());
  else if (event.key === 'ArrowLeft') move(-0.5);
  else if (event.key === 'ArrowRight') move(0.5);
});
draw();
`;
