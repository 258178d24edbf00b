import { ALPHABET, fsync, type Operation, OTHERS, wait } from './operations.ts';

export interface Workload {
  readonly operations: readonly Operation[];
  /** Crashes before this operation are another workload's. */
  readonly from: number;
  readonly unmount?: boolean;
  /** Tries every so many places of the recording. */
  readonly stride?: number;
}

const byName = new Map([...ALPHABET, ...OTHERS, fsync('/'), wait].map((operation) => [operation.name, operation]));

/** Operations by their names, as a reproduction names them. Throws RangeError. */
export function operationsNamed(names: readonly string[]): Operation[] {
  return names.map((name) => {
    const operation = byName.get(name);
    if (!operation) throw new RangeError(`there is no operation '${name}'`);
    return operation;
  });
}

/** Every operation alone: made durable by fsync, by the group commit, and by unmounting. */
export function singles(): Workload[] {
  return ALPHABET.flatMap((operation) => [
    { operations: [operation, fsync('/')], from: 0 },
    { operations: [operation, wait], from: 0 },
    { operations: [operation], from: 0, unmount: true },
  ]);
}

/** Every two operations, with nothing, an fsync or a group commit between them, and an fsync at the end. */
export function pairs(): Workload[] {
  const out: Workload[] = [];
  for (const first of ALPHABET) {
    for (const between of [[], [fsync('/')], [wait]]) {
      for (const second of ALPHABET) {
        out.push({ operations: [first, ...between, second, fsync('/')], from: 1 + between.length });
        if (between.length === 0) out.push({ operations: [first, second, wait], from: 2 });
      }
    }
  }
  return out;
}

/** Longer ones, each for something that two operations cannot show. */
export function chosen(): Workload[] {
  const of = (...names: string[]): Operation[] => operationsNamed(names);
  const from = 0;
  return [
    // Blocks freed, wanted again at once, and the file that had them looked at after the crash.
    { operations: of('write /e 0+45056', 'fsync /', 'unlink /a', 'write /a 16384+8192', 'create /n', 'wait'), from },
    { operations: of('truncate /a 0', 'write /e 0+45056', 'write /a 28772+4096', 'write /a 0+8192', 'wait'), from },
    { operations: of('punch /a 4096+8192', 'write /e 0+45056', 'write /a 0+8192', 'fsync /'), from },
    // A holder that allocates, stores and commits, with the file changing next to it.
    {
      operations: of(
        'get /u kind=layout mode=rw',
        'commit',
        'write /u 4096+8192',
        'wait',
        'return',
        'unlink /d/x',
        'fsync /',
      ),
      from,
    },
    {
      operations: of('get /a kind=direct mode=ro', 'truncate /a 0', 'write /e 0+45056', 'wait', 'fsync /'),
      from,
    },
    {
      operations: of('get /a kind=direct mode=ro', 'unlink /a', 'write /e 0+45056', 'wait', 'return', 'fsync /'),
      from,
    },
    // Copy on write, and the shares going away.
    {
      operations: of(
        'clone path=/d/x to=/a',
        'fsync /',
        'write /a 0+8192',
        'wait',
        'unlink /d/x',
        'write /e 0+45056',
        'fsync /',
      ),
      from,
    },
    { operations: of('insert path=/a range=4k-8k', 'write /a 1000+300', 'collapse path=/a range=4k-8k', 'wait'), from },
    // Blocks that two files share become one's own, in memory, while the metadata on the disk still gives them to both.
    ...['write /d/x 0+8192', 'truncate /d/x 0', 'unlink /d/x', 'rename /a /d/x'].flatMap((first) =>
      ['wait', 'fsync /'].map((last) => ({
        operations: of('clone path=/d/x to=/a', 'fsync /', first, 'write /a 0+8192', 'write /a 1000+300', last),
        from,
      })),
    ),
    {
      operations: of('clone path=/d/x to=/a', 'fsync /', 'write /a 0+8192', 'write /d/x 0+8192', 'wait'),
      from,
    },
    {
      operations: of('copy /d/x /a', 'write /d/x 0+8192', 'write /a 0+8192', 'wait', 'write /a 1000+300', 'wait'),
      from,
    },
    // A tail that is cut off and grown over again.
    { operations: of('truncate /a 4196', 'truncate /a 36864', 'wait', 'write /a 28772+4096', 'fsync /'), from },
    { operations: of('truncate /a 4196', 'fsync /', 'truncate /a 36864', 'write /a 1000+300', 'wait'), from },
    // Names.
    {
      operations: of('rename /a /b', 'rename /d/x /a', 'create /n', 'link /a /d/l', 'wait', 'unlink /a', 'fsync /'),
      from,
    },
    { operations: of('seal path=/a', 'unseal path=/s', 'rename /a /b', 'wait'), from },
    // Enough commits for the WAL to be written back and started anew, several times.
    {
      operations: Array.from({ length: 60 }, () =>
        of('setxattr /a', 'wait', 'removexattr /d/x', 'create /n', 'wait', 'unlink /a'),
      ).flat(),
      from,
      stride: 23,
    },
  ];
}
