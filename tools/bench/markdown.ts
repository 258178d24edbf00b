import type { Fact, Growth, LeaseFigures, MeasuredRow, Results } from './results.ts';
import { type Bar, isTime } from './rows.ts';
import { median, ratio, spread } from './statistics.ts';

const OURS = 'layoutfs';

/** A figure with three digits that count. */
export function figure(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(3);
}

/** The table for people, with the machine it was measured on. */
export function markdown(results: Results): string {
  const names = results.peers.map((peer) => peer.name);
  const { machine } = results;
  const lines = [
    '# Benchmark',
    '',
    `Made by \`npm run bench\` on ${results.date.slice(0, 10)}: Linux ${machine.kernel}, Node ${machine.node}, ${machine.cores} cores (${machine.cpu.trim()}), ${Math.round(machine.memory / 2 ** 30)} GiB.`,
    `Each figure is the median of ${results.rounds} rounds of ${results.duration} ms; in each round every peer has its turn (A B A B). In brackets: half the distance of the quartiles. The data file has ${results.size / 2 ** 20} MiB.`,
    '',
    ...results.peers.map((peer) => `- **${peer.name}**: ${peer.about}`),
    ...results.skipped.map((peer) => `- **${peer.name}** was skipped: ${peer.why}`),
    '',
    `| | unit | ${names.join(' | ')} |`,
    `|---|---|${names.map(() => '---:|').join('')}`,
    ...results.rows.map(
      (row) => `| ${row.title} | ${row.unit} | ${names.map((name) => cell(row, name)).join(' | ')} |`,
    ),
    '',
  ];
  const cpu = results.rows.filter(
    (row) => !isTime(row.unit) && Object.values(row.samples).some((sample) => sample.cpu !== undefined),
  );
  const servers = names.filter((name) => cpu.some((row) => row.samples[name]?.cpu !== undefined));
  if (servers.length > 0) {
    lines.push(
      '## CPU time of the server, µs for an operation',
      '',
      `| | ${servers.join(' | ')} | bar |`,
      `|---|${servers.map(() => '---:|').join('')}---:|`,
      ...cpu.map(
        (row) => `| ${row.title} | ${servers.map((name) => cpuCell(row, name)).join(' | ')} | ${row.cpuBar ?? ''} |`,
      ),
      '',
    );
  }
  if (results.leases) lines.push(...leaseLines(results.leases));
  if (results.growth?.length) lines.push(...growthLines(results.growth));
  if (results.facts.length > 0) lines.push(...factLines(results.facts));
  const bars = results.rows.flatMap((row) =>
    [...row.bars.map((bar) => barLine(row, bar)), ...cpuBarLine(row), ...limitLine(row)].filter((line) => line !== ''),
  );
  if (bars.length > 0) {
    lines.push(
      '## Against the bars',
      '',
      'Median of the ratios of each round; above 1 this filesystem is ahead.',
      '',
      '| | compared with | bar | measured | |',
      '|---|---|---:|---:|---|',
      ...bars,
      '',
    );
  }
  return lines.join('\n');
}

/** performance.md: what is done among a million costs at most so many times what it costs among few. */
const MOST_GROWTH = 2;

function growthLines(growth: readonly Growth[]): string[] {
  return [
    '## Growth',
    '',
    'µs for an operation, small and large in turn (A B A B); in brackets CPU time of the daemon. Bar: at most 2 x.',
    '',
    '| | small | large | growth | |',
    '|---|---:|---:|---:|---|',
    ...growth.map(({ title, small, large, cpu }) => {
      const times = 1 / ratio(large, small, true);
      const cells = [small, large].map((values, end) => `${figure(median(values))} (${figure(cpu[end] as number)})`);
      return `| ${title} | ${cells.join(' | ')} | ${times.toFixed(2)} x | ${times <= MOST_GROWTH ? 'met' : '**not met**'} |`;
    }),
    '',
  ];
}

function factLines(facts: readonly Fact[]): string[] {
  return [
    '## Memory, mounting, placement and single figures',
    '',
    '| | measured | bar | |',
    '|---|---:|---:|---|',
    ...facts.map(({ title, value, unit, atMost, atLeast, note }) => {
      const good = atMost !== undefined ? value <= atMost : value >= (atLeast ?? value);
      const bar =
        atMost !== undefined ? `at most ${figure(atMost)}` : atLeast !== undefined ? `at least ${figure(atLeast)}` : '';
      const verdict = bar === '' ? '' : good ? 'met' : '**not met**';
      return `| ${title}${note ? ` (${note})` : ''} | ${figure(value)} ${unit} | ${bar} | ${verdict} |`;
    }),
    '',
  ];
}

function cpuBarLine(row: MeasuredRow): string[] {
  const cpu = row.samples[OURS]?.cpu;
  if (row.cpuBar === undefined || cpu === undefined) return [];
  const verdict = cpu <= row.cpuBar ? 'met' : '**not met**';
  return [`| ${row.title}, CPU of the daemon | – | ${row.cpuBar} µs | ${figure(cpu)} µs | ${verdict} |`];
}

function limitLine(row: MeasuredRow): string[] {
  const values = row.samples[OURS]?.values ?? [];
  if (row.atMost === undefined || values.length === 0) return [];
  const value = median(values);
  const verdict = value <= row.atMost ? 'met' : '**not met**';
  return [`| ${row.title} | – | ${row.atMost} ${row.unit} | ${figure(value)} ${row.unit} | ${verdict} |`];
}

function leaseLines(leases: LeaseFigures): string[] {
  const { pairs, toEvent, toEnd, first, recalls, failed } = leases;
  if (failed !== undefined) return ['## Leases', '', `Not measured: ${failed}`, ''];
  return [
    '## Leases',
    '',
    '| | measured | bar |',
    '|---|---:|---:|',
    `| \`get\` + \`return\` on one session, durable, pairs/s | ${figure(median(pairs))} (${spread(pairs).toFixed(0)} %) | 2,000 |`,
    `| conflicting call to event in the holder, ms, p50 / p99 of ${recalls} | ${figure(toEvent.p50)} / ${figure(toEvent.p99)} | p99 1 |`,
    `| return to completion of the call, ms, p50 / p99 of ${recalls} | ${figure(toEnd.p50)} / ${figure(toEnd.p99)} | p99 1 |`,
    `| call to event, the first ${recalls} that a daemon serves | ${figure(first.toEvent.p50)} / ${figure(first.toEvent.p99)} | |`,
    `| return to completion, the first ${recalls} | ${figure(first.toEnd.p50)} / ${figure(first.toEnd.p99)} | |`,
    '',
  ];
}

function cell(row: MeasuredRow, name: string): string {
  const sample = row.samples[name];
  if (!sample || sample.failed !== undefined || sample.values.length === 0) return sample?.failed ? 'failed' : '–';
  return `${figure(median(sample.values))} (${spread(sample.values).toFixed(0)} %)`;
}

function cpuCell(row: MeasuredRow, name: string): string {
  const cpu = row.samples[name]?.cpu;
  return cpu === undefined ? '–' : figure(cpu);
}

function barLine(row: MeasuredRow, { peer, ratio: bar, of = OURS }: Bar): string {
  const ours = row.samples[of]?.values ?? [];
  const theirs = row.samples[peer]?.values ?? [];
  if (ours.length === 0 || theirs.length === 0) return '';
  const measured = ratio(ours, theirs, isTime(row.unit));
  return `| ${row.title}${of === OURS ? '' : `, ${of}`} | ${peer} | ${bar} x | ${measured.toFixed(2)} x | ${measured >= bar ? 'met' : '**not met**'} |`;
}
