/** `npm run screenshots`: the pictures of docs/pictures, of a real mount, by headless Chromium. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { escapeXml } from '../src/picture/svg.ts';
import { check, checkout, hasTool, mountVolume } from '../test/harness/index.ts';

const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(hasTool);
if (chromium === undefined) throw new Error('needs chromium');
const out = join(checkout, 'docs', 'pictures');
mkdirSync(out, { recursive: true });

await using volume = await mountVolume({ size: '256m', options: 'commit=0.05' });
const layoutfs = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await volume.layoutfs(args);
  if (code !== 0 || (stdout === '' && args[0] !== 'seal'))
    throw new Error(`layoutfs ${args.join(' ')}: exit ${code}: ${stderr}`);
  return stdout;
};

await volume.bash(`
  mkdir db log
  for i in $(seq 1 40); do head -c $((RANDOM % 1500 + 200))k /dev/urandom > log/$i; done
  for i in $(seq 1 3 40); do rm log/$i; done
  head -c 24M /dev/urandom > db/data.ibd; head -c 8M /dev/urandom > db/undo; head -c 16M /dev/urandom > disk.raw`);
await layoutfs('seal', join(volume.dir, 'disk.raw'));
const hold = (command: string, ...requests: string[]): Promise<unknown> => {
  const lines = requests.map((request) => `echo '${request}' >&3; read -r line <&3; echo "$line"`).join('; ');
  const child = volume.start('bash', ['-c', `exec 3<> "$MNT/.layout/ctl"; ${lines}; exec -a ${command} sleep 300`]);
  return new Promise((resolve) => child.stdout!.once('data', resolve));
};
await hold('postgres', 'get path=/db/data.ibd kind=direct', 'get path=/db/undo kind=direct range=0-4m');
await hold('backup', 'get path=/log/2 kind=layout');
// One that does not answer, and may still write: its blocks go into quarantine.
const ghost = `exec 3<> "$MNT/.layout/ctl"; echo 'get path=/log/35 kind=direct timeout=200ms on_expire=none' >&3
  read -r _ id _ <&3; exec 4<> "$MNT/.layout/device/\${id#id=}"; echo "$id"; exec sleep 300`;
const silent = volume.start('bash', ['-c', ghost]);
await new Promise((resolve) => silent.stdout!.once('data', resolve));
await volume.bash('truncate -s 0 log/35');
volume.start('truncate', ['-s', '1M', join(volume.dir, 'db/data.ibd')]);
volume.start('truncate', ['-s', '0', join(volume.dir, 'log/2')]);
volume.start('bash', ['-c', 'while :; do cat "$MNT"/log/* > /dev/null; echo x >> "$MNT/log/new"; sleep 0.02; done']);
await volume.bash('sleep 1; touch x; sync x');

/** A page as a picture of the given size, pixels. */
async function shoot(name: string, page: string, width: number, height: number): Promise<void> {
  const file = join(volume.root, `${name}.html`);
  writeFileSync(file, page);
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars'];
  const where = [`--user-data-dir=${join(volume.root, 'profile')}`, `--screenshot=${join(out, `${name}.png`)}`];
  await check(chromium as string, [...flags, ...where, `--window-size=${width},${height}`, `file://${file}`], {
    timeout: 60_000,
  });
}

const text = (body: string): string =>
  `<!doctype html><meta charset="utf-8"><body style="margin:0;background:#16191d;color:#dee2e6"><pre style="font:14px/1.3 monospace;padding:14px;margin:0">${body}</pre>`;

/** Text with colours of a terminal (38;5;N and bold) as HTML. */
function terminal(said: string): string {
  const steps = [0, 95, 135, 175, 215, 255];
  let open = false;
  const body = escapeXml(said.replaceAll('\x1b', '\u241b')).replace(/\u241b\[([\d;]*)m/g, (_, code: string) => {
    const close = open ? '</span>' : '';
    open = code !== '0' && code !== '';
    if (!open) return close;
    if (code === '1') return `${close}<span style="font-weight:bold">`;
    const n = Number(code.split(';')[2]);
    const cube = n - 16;
    const rgb =
      n >= 232
        ? [8 + 10 * (n - 232), 8 + 10 * (n - 232), 8 + 10 * (n - 232)]
        : [steps[Math.floor(cube / 36)], steps[Math.floor(cube / 6) % 6], steps[cube % 6]];
    return `${close}<span style="color:rgb(${rgb.join(',')})">`;
  });
  return text(body + (open ? '</span>' : ''));
}

const env = { FORCE_COLOR: '1', COLUMNS: '100' };
// All of one moment: the browser takes its time, and who waits does not wait for ever.
const top = await volume.layoutfs(['top', volume.dir, '--once', '--interval', '0.5'], { env });
const graph = await layoutfs('lease', 'graph', volume.dir, '--svg', '-');
const map = await volume.layoutfs(['map', volume.dir, '--rows', '12'], { env });
const html = await layoutfs('map', volume.dir, '--html', '-');
await shoot('top', terminal(top.stdout), 900, 560);
await shoot('map', terminal(map.stdout), 900, 420);
await shoot('map-html', html, 1200, 960);
await shoot('lease-graph', `<body style="margin:0">${graph}`, 1120, 300);
