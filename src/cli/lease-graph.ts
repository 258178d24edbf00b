import { writeFileSync } from 'node:fs';
import { graphDot, graphSvg, graphText } from '../picture/graph.ts';
import type { Command } from './command.ts';
import { EXIT } from './exit.ts';
import { mountAt } from './mounts.ts';
import { print, printJson } from './output.ts';
import { cut, screen } from './screen.ts';
import { readTables } from './tables.ts';
import { onlyMount } from './verb.ts';

export const graph: Command = {
  name: 'graph',
  summary: 'who holds leases, and who waits for whom',
  usage: '[DIR] [--dot | --svg FILE]',
  about:
    'DIR is a mount point; it may be left out where only one layoutfs is mounted. FILE may be - for standard output.',
  options: {
    dot: { type: 'boolean', help: 'for graphviz' },
    svg: { type: 'string', value: 'FILE', help: 'write a drawing' },
  },
  positionals: [0, 1],
  examples: ['layoutfs lease graph', 'layoutfs lease graph /mnt --svg leases.svg'],
  async run({ options, positionals, json }) {
    const mount = positionals[0] === undefined ? onlyMount() : mountAt(positionals[0]);
    const tables = await readTables(mount);
    if (json) printJson(tables);
    else if (options.dot === true) print(graphDot(tables));
    else if (typeof options.svg === 'string') {
      if (options.svg === '-') process.stdout.write(graphSvg(tables));
      else writeFileSync(options.svg, graphSvg(tables));
    } else {
      const { columns } = screen();
      const lines = graphText(tables).split('\n');
      print((process.stdout.isTTY ? lines.map((line) => cut(line, columns)) : lines).join('\n'));
    }
    return EXIT.ok;
  },
};
