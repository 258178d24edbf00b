/** Child of redo.test.ts: appends extents, one operation each, and says each number only after `operationEnd`. */
import fs from 'node:fs';
import { Volume } from '../../src/volume/volume.ts';

const volume = Volume.open(process.argv[2], { commitInterval: 50 });
const { database, commits } = volume;
const insert = database.mutation(
  'INSERT INTO extent (ino, file_block, device_block, length, state) VALUES (?, ?, ?, ?, ?)',
);
const count = database.mutation('UPDATE inode SET blocks = ? WHERE ino = 1');
let blocks = database.query('SELECT count(*) FROM extent WHERE ino = 5').raw().get<number[]>()?.[0] ?? 0;
commits.onOperationEnd(() => count.note(blocks));
commits.onFlush(() => count.run(blocks));

function say(line: string): void {
  for (;;) {
    try {
      fs.writeSync(1, line);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error; // the pipe is full
    }
  }
}

function burst(): void {
  for (let i = 0; i < 100; i++) {
    insert.run(5, blocks, 1000 + blocks, 1, 1);
    blocks++;
    commits.operationEnd();
    say(`${blocks - 1}\n`);
  }
  setImmediate(burst);
}

burst();
