import type { VerbName } from '../control/grammar/verbs.ts';
import type { Group, Lazy } from './command.ts';

const verb = (name: VerbName, summary: string): Lazy => ({
  name,
  summary,
  load: async () => (await import('./verb.ts')).verbCommand(name, 'layoutfs lease'),
});

export const lease: Group = {
  name: 'lease',
  summary: 'leases: the blocks under a file will not move without the holder’s leave',
  commands: [
    {
      name: 'hold',
      summary: 'run a command under a lease, as flock(1) does',
      load: async () => (await import('./lease-hold.ts')).hold,
    },
    {
      name: 'get',
      summary: 'take a lease and keep it until it is recalled',
      load: async () => (await import('./lease-get.ts')).get,
    },
    verb('return', 'give one back'),
    {
      name: 'map',
      summary: 'where the blocks of a file are, also as a table for dmsetup(8)',
      load: async () => (await import('./lease-map.ts')).map,
    },
    verb('ls', 'list leases'),
    {
      name: 'graph',
      summary: 'draw who holds, and who waits for whom',
      load: async () => (await import('./lease-graph.ts')).graph,
    },
    verb('break', "start the recall of a file's leases"),
    verb('why', 'what would happen to an operation on a file'),
    verb('renew', 'tell that the holder of a named lease lives'),
    verb('reclaim', 'take a named lease again'),
    verb('revoke', 'end one at once (administrator)'),
    verb('expire', 'let the deadline of a recall be now (administrator)'),
  ],
};
