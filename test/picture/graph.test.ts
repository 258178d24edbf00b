import { describe, expect, it } from 'vitest';
import { parseSamples, parseTable } from '../../src/cli/tables.ts';
import { rates, type Snapshot, topText } from '../../src/cli/top-text.ts';
import { graphDot, graphSvg, graphText, type LeaseTables } from '../../src/picture/graph.ts';

const lease = { mode: 'rw', range: '0-4096', pid: 42, command: 'postgres', age: '3.2s', deadline: '-' };
const tables: LeaseTables = {
  leases: [
    { ...lease, id: 7, kind: 'direct', state: 'recalled', deadline: '9.0s', path: '/db/a "b" <c>' },
    { ...lease, id: 8, kind: 'layout', state: 'granted', path: '/db/z' },
  ],
  waiters: [
    {
      id: 1,
      what: 'operation',
      operation: 'setattr.size',
      pid: 43,
      command: 'truncate',
      age: '1.0s',
      deadline: '59s',
      leases: [7],
    },
  ],
};

describe('the tables of .layout', () => {
  it('are read by their heads; only the last cell holds blanks', () => {
    const text = 'id  command   path\n1   postgres  /a file  with blanks\n22  x         /b\n';
    expect(parseTable(text)).toEqual([
      { id: '1', command: 'postgres', path: '/a file  with blanks' },
      { id: '22', command: 'x', path: '/b' },
    ]);
    expect(parseTable('id  path\n')).toEqual([]);
  });
});

describe('lease graph', () => {
  it('as text: files, leases with holders, and under them who waits', () => {
    expect(graphText(tables).split('\n')).toEqual([
      '/db/a "b" <c>',
      '└─ lease 7: direct rw, recalled, bytes 0-4096, held by 42 (postgres) for 3.2s, 9.0s left',
      '   └─ 43 (truncate) setattr.size waits since 1.0s, 59s left',
      '/db/z',
      '└─ lease 8: layout rw, granted, bytes 0-4096, held by 42 (postgres) for 3.2s',
    ]);
    expect(graphText({ leases: [], waiters: [] })).toBe('no leases');
  });

  it('for graphviz: quoted, with an edge for each relation', () => {
    const dot = graphDot(tables);
    expect(dot).toContain('label="/db/a \\"b\\" <c>\\nlease 7: direct rw, recalled"');
    expect(dot.match(/->/g)).toHaveLength(3);
    expect(dot).toContain('w1 -> l7 [label="waits 1.0s", style=dashed]');
  });

  it('as SVG: a box for each, an edge for each, with tooltips, escaped', () => {
    const svg = graphSvg(tables);
    expect([...svg.matchAll(/<g id="([^"]*)">/g)].map(([, id]) => id)).toEqual(['w1', 'l7', 'l8', 'p42']);
    expect(svg).toContain('data-from="w1" data-to="l7"');
    expect(svg.match(/<title>/g)).toHaveLength(4);
    expect(svg).not.toContain('<c>');
  });
});

describe('top', () => {
  const snapshot = (at: number, reads: number, ms: number): Snapshot => ({
    at,
    samples: parseSamples(
      `# HELP x y\nlayoutfs_request_seconds_count{operation="read"} ${reads}\n` +
        `layoutfs_request_seconds_sum{operation="read"} ${ms / 1000}\nlayoutfs_block_bytes 4096\n` +
        'layoutfs_blocks{state="free"} 75\nlayoutfs_blocks{state="used"} 24\nlayoutfs_blocks{state="quarantined"} 1\n',
    ),
    ...tables,
  });

  it('makes rates of two looks', () => {
    const view = rates(snapshot(1000, 100, 5), snapshot(3000, 300, 25));
    expect(view.operations).toEqual([{ operation: 'read', perSecond: 100, meanMs: expect.closeTo(0.1, 6) }]);
    expect(view.space).toEqual({ free: 75 * 4096, used: 24 * 4096, quarantined: 4096 });
    expect(view.hitShare).toBeNull();
  });

  it('never is wider or longer than the screen; what is recalled comes first', () => {
    const now = snapshot(2000, 300, 25);
    const view = rates(snapshot(1000, 100, 5), now);
    for (const columns of [20, 40, 80, 200]) {
      for (const rows of [5, 12, 50]) {
        const lines = topText('/mnt', view, now, { columns, rows, color: false });
        expect(lines.length).toBeLessThanOrEqual(rows);
        expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
      }
    }
    const all = topText('/mnt', view, now, { columns: 100, rows: 50, color: false }).join('\n');
    expect(all.indexOf('/db/a')).toBeLessThan(all.indexOf('/db/z'));
    expect(all).toMatch(/43 \(truncate\) +setattr\.size +1\.0s +59s +lease 7/);
    expect(all).toContain('[#####Q..............]');
  });
});
