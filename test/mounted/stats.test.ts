import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkout, describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';

interface Panel {
  id: number;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { expr: string; refId: string }[];
}

/** Samples of Prometheus text format by name and labels. Throws where a line is none. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const found = /^([a-z_]+(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})?) (-?[\d.e+-]+|NaN|\+Inf)$/.exec(line);
    if (found === null) throw new Error(`not a sample: ${line}`);
    expect(samples.has(found[1] as string), line).toBe(false);
    samples.set(found[1] as string, Number(found[2]));
  }
  return samples;
}

describeMounted('.layout/stats', [], () => {
  let volume: MountedVolume;
  const stats = async () => parse(await volume.bash('cat .layout/stats'));

  beforeAll(async () => {
    volume = await mountVolume();
  });
  afterAll(() => volume?.dispose());

  it('is Prometheus text: each family with HELP and TYPE, once', async () => {
    const text = await volume.bash('cat .layout/stats');
    parse(text);
    const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name]) => name as string);
    expect(new Set(families).size).toBe(families.length);
    for (const family of families) expect(text).toMatch(new RegExp(`^# HELP ${family} \\S.*\\.$`, 'm'));
    for (const name of parse(text).keys()) {
      const family = name.replace(/\{.*/, '');
      expect(families).toContain(families.includes(family) ? family : family.replace(/_(bucket|sum|count)$/, ''));
    }
  });

  it('counts requests by operation, with histograms that end with all of them', async () => {
    const before = await stats();
    const count = 'layoutfs_request_seconds_count{operation="mkdir"}';
    await volume.bash('for i in 1 2 3 4 5 6 7; do mkdir "d$i"; done');
    const after = await stats();
    expect((after.get(count) ?? 0) - (before.get(count) ?? 0)).toBe(7);
    expect(after.get('layoutfs_request_seconds_bucket{operation="mkdir",le="+Inf"}')).toBe(after.get(count));
    expect(after.get('layoutfs_request_seconds_sum{operation="mkdir"}')).toBeGreaterThan(0);
  });

  it('tells space by state: what is written is used, what is removed is free again', async () => {
    const before = await stats();
    await volume.bash('head -c 1M /dev/urandom > file; sync -f file');
    const full = await stats();
    const used = (samples: Map<string, number>) => samples.get('layoutfs_blocks{state="used"}') as number;
    const total = (samples: Map<string, number>) =>
      ['used', 'free', 'quarantined'].reduce((sum, s) => sum + (samples.get(`layoutfs_blocks{state="${s}"}`) ?? 0), 0);
    expect(used(full) - used(before)).toBe(1_048_576 / (full.get('layoutfs_block_bytes') as number));
    expect(total(full)).toBe(total(before));
    await volume.bash('rm file');
    expect(used(await stats())).toBe(used(before));
  });

  it('tells commits and the log, leases, recalls and waits', async () => {
    await volume.bash('echo x > leased; sync leased');
    const before = await stats();
    expect(before.get('layoutfs_commits_total')).toBeGreaterThan(0);
    expect(before.get('layoutfs_wal_bytes')).toBeGreaterThan(0);
    const script = `
      exec 3<> .layout/ctl
      echo 'get path=/leased kind=direct' >&3; read -r granted <&3
      cat .layout/stats
      truncate -s 0 leased & waiter=$!
      IFS= read -r event <&3; event=\${event#*lease=}
      cat .layout/stats > "$ROOT/waiting"
      echo "return id=\${event%% *}" >&3
      wait $waiter`;
    const held = parse(await volume.bash(script));
    expect(held.get('layoutfs_leases')).toBe(1);
    expect(held.get('layoutfs_leases_by_kind{kind="direct",state="granted"}')).toBe(1);
    const waiting = parse(readFileSync(join(volume.root, 'waiting'), 'utf8'));
    expect(waiting.get('layoutfs_waiters')).toBe(1);
    expect(waiting.get('layoutfs_requests_parked')).toBe(1);
    const after = await stats();
    expect((after.get('layoutfs_recalls_total') as number) - (before.get('layoutfs_recalls_total') as number)).toBe(1);
    expect(after.get('layoutfs_waiters')).toBe(0);
    expect(after.get('layoutfs_requests_parked')).toBe(0);
  });

  it('has all that the Grafana dashboard shows, and the dashboard shows all of it', async () => {
    const board = JSON.parse(readFileSync(join(checkout, 'docs', 'grafana.json'), 'utf8')) as { panels: Panel[] };
    await volume.bash(
      'echo x > shown; exec 3<> .layout/ctl; echo "get path=/shown kind=layout" >&3; cat .layout/stats > "$ROOT/stats"',
    );
    const names = new Set(
      [...parse(readFileSync(join(volume.root, 'stats'), 'utf8')).keys()].map((n) => n.replace(/\{.*/, '')),
    );
    const shown = new Set<string>();
    const ids = new Set(board.panels.map(({ id }) => id));
    expect(ids.size).toBe(board.panels.length);
    for (const { title, targets } of board.panels) {
      expect(targets.length, title).toBeGreaterThan(0);
      for (const { expr } of targets) {
        const used = expr.match(/layoutfs_[a-z_]+/g) ?? [];
        expect(used.length, title).toBeGreaterThan(0);
        for (const name of used) {
          expect([...names], title).toContain(name);
          shown.add(name);
        }
      }
    }
    expect([...names].filter((name) => !shown.has(name))).toEqual([]);
  });

  it('has panels that do not lie on each other', () => {
    const { panels } = JSON.parse(readFileSync(join(checkout, 'docs', 'grafana.json'), 'utf8')) as { panels: Panel[] };
    const cells = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells.get(`${x},${y}`), title).toBeUndefined();
          cells.set(`${x},${y}`, title);
        }
      }
    }
  });
});
