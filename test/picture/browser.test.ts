import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { graphSvg } from '../../src/picture/graph.ts';
import { deviceHtml } from '../../src/picture/html.ts';
import { deviceSvg } from '../../src/picture/svg.ts';
import { check, hasTool } from '../harness/index.ts';
import { device, EVIL } from './fixture.ts';

const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(hasTool);
const suite = chromium === undefined ? describe.skip : describe;
const folder = mkdtempSync(join(tmpdir(), 'layoutfs-browser-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Opens a page, runs a script in it when it is loaded, and gives what the script returns. */
async function inBrowser<T>(page: string, script: string): Promise<T> {
  const file = join(folder, 'page.html');
  const probe = `<script>addEventListener('load', () => {
    const errors = window.errors; const result = (() => { ${script} })();
    const out = document.createElement('pre'); out.id = 'result';
    out.textContent = btoa(unescape(encodeURIComponent(JSON.stringify({ result, errors })))); document.body.append(out);
  });</script>`;
  const guard = '<script>window.errors = []; addEventListener("error", (e) => errors.push(e.message));</script>';
  writeFileSync(file, `${page.replace('<head>', `<head>${guard}`)}${probe}`);
  const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--window-size=1200,900'];
  const profile = `--user-data-dir=${join(folder, 'profile')}`;
  const dom = await check(chromium as string, [...args, profile, '--dump-dom', `file://${file}`], { timeout: 60_000 });
  const found = /<pre id="result">([^<]*)<\/pre>/.exec(dom);
  if (found === null) throw new Error(`the page did not get as far as its probe: ${dom.slice(-500)}`);
  const said = JSON.parse(Buffer.from(found[1] as string, 'base64').toString('utf8')) as {
    result: T;
    errors: string[];
  };
  expect(said.errors).toEqual([]);
  return said.result;
}

suite(`pictures in a browser${chromium === undefined ? ' (skipped: needs chromium)' : ''}`, { timeout: 90_000 }, () => {
  it('the page draws every span, fills its width, and names all states with their sizes', async () => {
    const page = await inBrowser<Record<string, unknown>>(
      deviceHtml(device()),
      `const rects = [...document.querySelectorAll('#map rect')];
       const count = (state) => new Set(rects.filter((r) => r.classList.contains(state)).map((r) => r.dataset.span)).size;
       const area = (state) => rects.filter((r) => r.classList.contains(state)).reduce((sum, r) => sum + Number(r.getAttribute('width')), 0);
       return {
         title: document.title, scripts: document.scripts.length,
         spans: ['header', 'used', 'leased', 'sealed', 'quarantined'].map(count),
         leased: area('leased') / area('free'),
         box: document.getElementById('map').getBoundingClientRect().width > 500,
         legend: [...document.querySelectorAll('#legend tr')].map((r) => [r.dataset.state, r.cells[1].textContent, getComputedStyle(r.querySelector('.swatch')).backgroundColor]),
         bars: document.querySelectorAll('#runs div').length, range: document.getElementById('range').textContent };`,
    );
    expect(page).toMatchObject({ title: '/srv/a <b>.img – layoutfs map', spans: [1, 2, 1, 1, 1], box: true, bars: 10 });
    expect(page.leased).toBeCloseTo(0.1, 2);
    expect(page.range).toBe('0 – 3.9M');
    expect(page.legend).toEqual([
      ['quarantined', '4K', 'rgb(214, 39, 40)'],
      ['leased', '400K', 'rgb(242, 161, 4)'],
      ['sealed', '200K', 'rgb(122, 81, 149)'],
      ['used', '956K', 'rgb(76, 120, 168)'],
      ['header', '40K', 'rgb(73, 80, 87)'],
      ['free', '2.3M', 'rgb(233, 236, 239)'],
    ]);
  });

  it('zooms in and out, moves, and says where the pointer is', async () => {
    const seen = await inBrowser<Record<string, string>>(
      deviceHtml(device()),
      `const range = () => document.getElementById('range').textContent;
       const map = document.getElementById('map'); const box = map.getBoundingClientRect();
       const at = (block) => { const row = Math.floor(block / (1000 / 24)); return {
         clientX: box.left + (block / (1000 / 24) - row) * box.width, clientY: box.top + (row + 0.5) / 24 * box.height }; };
       const tip = (block) => { map.dispatchEvent(new MouseEvent('mousemove', at(block))); return document.getElementById('tip').textContent; };
       const seen = { leased: tip(250), evil: tip(340), free: tip(700) };
       map.dispatchEvent(new MouseEvent('mouseleave')); seen.hidden = String(document.getElementById('tip').hidden);
       document.getElementById('in').click(); seen.in = range();
       document.getElementById('right').click(); seen.right = range();
       dispatchEvent(new KeyboardEvent('keydown', { key: '-' })); seen.out = range();
       document.getElementById('in').click(); document.getElementById('in').click();
       document.getElementById('all').click(); seen.all = range();
       map.dispatchEvent(new WheelEvent('wheel', { deltaY: -1, cancelable: true, ...at(0) })); seen.wheel = range();
       return seen;`,
    );
    expect(seen.leased).toMatch(/^leased \(lease 7\): \/db\/data\n400K from 840K; block 2(49|50), at/);
    expect(seen.evil).toContain(`sealed: ${EVIL}`);
    expect(seen.free).toMatch(/^free: block (699|700), at/);
    expect(seen).toMatchObject({
      hidden: 'true',
      in: '1000K – 2.9M',
      all: '0 – 3.9M',
      out: '0 – 3.9M',
      wheel: '0 – 2.0M',
    });
    expect(seen.right).toBe('2.0M – 3.9M');
  });

  it('the drawing has a rectangle with a tooltip for each part, and a legend', async () => {
    const seen = await inBrowser<Record<string, unknown>>(
      `<!doctype html><html><head></head><body>${deviceSvg(device())}</body></html>`,
      `const cells = [...document.querySelectorAll('.cells rect')];
       return { cells: cells.length, tips: cells.filter((c) => c.querySelector('title').textContent !== '').length,
         leased: cells.filter((c) => c.classList.contains('leased')).length, legend: document.querySelectorAll('.legend text').length,
         inside: cells.every((c) => { const b = c.getBBox(); const v = c.ownerSVGElement.viewBox.baseVal; return b.x + b.width <= v.width && b.y + b.height <= v.height; }) };`,
    );
    expect(seen).toEqual({ cells: 1000, tips: 1000, leased: 100, legend: 6, inside: true });
  });

  it('the lease graph keeps its texts inside their boxes', async () => {
    const row = {
      mode: 'rw',
      range: '0-',
      pid: 4242,
      command: 'postgres',
      age: '3.2s',
      deadline: '-',
      state: 'granted',
      kind: 'direct',
    };
    const svg = graphSvg({
      leases: [
        { ...row, id: 7, path: `/${'a-long-name/'.repeat(9)}data` },
        { ...row, id: 8, path: '/b', pid: 7 },
      ],
      waiters: [
        {
          id: 1,
          what: 'operation',
          operation: 'setattr.size',
          pid: 43,
          command: 'truncate',
          age: '1s',
          deadline: '-',
          leases: [7, 8],
        },
      ],
    });
    const seen = await inBrowser<Record<string, unknown>>(
      `<!doctype html><html><head></head><body>${svg}</body></html>`,
      `const groups = [...document.querySelectorAll('g[id]')];
       return { ids: groups.map((g) => g.id), waits: document.querySelectorAll('path.waits').length, held: document.querySelectorAll('path.held').length,
         over: groups.filter((g) => { const r = g.querySelector('rect').getBBox(); return [...g.querySelectorAll('text')].some((t) => t.getBBox().x + t.getBBox().width > r.x + r.width); }).map((g) => g.id),
         apart: groups.every((g, i) => groups.every((o, j) => i === j || (() => { const a = g.querySelector('rect').getBBox(), b = o.querySelector('rect').getBBox(); return a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y; })())) };`,
    );
    expect(seen).toEqual({ ids: ['w1', 'l7', 'l8', 'p4242', 'p7'], waits: 2, held: 2, over: [], apart: true });
  });
});
