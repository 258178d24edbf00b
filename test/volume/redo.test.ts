import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Value } from '../../src/volume/database.ts';
import { redoPath } from '../../src/volume/lock.ts';
import { Redo } from '../../src/volume/redo.ts';
import { decodeRecords, encodeAnswer, encodeDefinition, encodeRun } from '../../src/volume/redo-records.ts';
import { answerKey } from '../../src/volume/replay.ts';
import { append, extentsOf, INSERT, made, newFolder, opened } from './fixture.ts';

const value = fc.oneof(
  fc.constant(null),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }),
  fc.string({ unit: 'binary' }),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);

describe('records', () => {
  test('every list of arguments comes back as it went in', () => {
    const bytes = Buffer.alloc(1 << 16);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    fc.assert(
      fc.property(fc.array(value, { maxLength: 32 }), fc.string(), fc.nat(65535), (args, sql, number) => {
        let at = encodeDefinition(bytes, view, 0, number, sql);
        at = encodeRun(bytes, view, at, bytes.length - 512, number, args as Value[]);
        at = encodeAnswer(bytes, view, at, 2 ** 52 + 1, 2047, Buffer.from('reply'));
        const seen: unknown[] = [];
        decodeRecords(bytes.subarray(0, at), {
          define: (n, text) => seen.push(['define', n, text]),
          run: (n, values) => seen.push(['run', n, values]),
          answer: (unique, high, reply) => seen.push(['answer', unique, high, String(reply)]),
        });
        expect(seen).toEqual([
          ['define', number, sql],
          ['run', number, args],
          ['answer', 2 ** 52 + 1, 2047, 'reply'],
        ]);
      }),
    );
  });

  test('what does not fit is refused, not cut', () => {
    const bytes = Buffer.alloc(2048);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    expect(encodeRun(bytes, view, 0, 1000, 1, [Buffer.alloc(991)])).toBe(1000);
    expect(encodeRun(bytes, view, 0, 1000, 1, [Buffer.alloc(992)])).toBe(-1);
    expect(encodeRun(bytes, view, 1001, 1000, 1, [])).toBe(-1);
  });

  test('random bytes are refused with RangeError or understood, never anything else', () => {
    const sink = { define: () => {}, run: () => {}, answer: () => {} };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeRecords(Buffer.from(bytes), sink);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the daemon dies, the host lives', () => {
  test('answered operations come back, in order; the half one does not', () => {
    const image = made();
    const first = opened(image);
    const insert = first.database.mutation(INSERT);
    const move = first.database.mutation('UPDATE extent SET device_block = device_block + ?2 WHERE ino = ?1');
    insert.run(5, 0, 300, 1, 1);
    expect(first.commits.commitNow()).toBe(0);
    insert.run(5, 1, 400, 1, 1);
    first.commits.operationEnd();
    move.run(5, 7);
    first.commits.operationEnd(77, 0, Buffer.from('done'));
    insert.run(5, 2, 500, 1, 1); // this one was not answered
    first.abandon();
    const second = opened(image);
    expect(extentsOf(second, 5)).toEqual([
      [0, 307, 1, 1],
      [1, 407, 1, 1],
    ]);
    expect(second.recovery).toMatchObject({ clean: false, sameBoot: true, replayed: 2, problem: undefined });
    expect(String(second.recovery.answers.get(answerKey(77, 0)))).toBe('done');
  });

  test('what was committed is not done twice', () => {
    const image = made();
    const first = opened(image);
    first.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    first.commits.operationEnd();
    // As if killed between COMMIT and the reset of the log: the old log is still there.
    const log = fs.readFileSync(redoPath(image));
    first.commits.commitBuffered();
    first.abandon();
    fs.writeFileSync(redoPath(image), log);
    const second = opened(image);
    expect(second.recovery).toMatchObject({ replayed: 0, problem: undefined });
    expect(extentsOf(second, 5)).toHaveLength(1);
  });

  test('after a restart of the host the log counts for nothing', () => {
    const image = made();
    const first = opened(image);
    first.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    first.commits.operationEnd();
    first.abandon();
    const second = opened(image, { host: { bootId: 'another', pid: 1, start: 1 } });
    expect(second.recovery).toMatchObject({ sameBoot: false, replayed: 0 });
    expect(extentsOf(second, 5)).toEqual([]);
  });

  test('write-behind owners note their state; the log runs it in their place', () => {
    const image = made();
    const first = opened(image);
    const note = first.database.mutation(
      'INSERT INTO space (number, free, bitmap) VALUES (?1, 32768 - ?3, set_bits(zeroblob(4096), ?2, ?3)) ' +
        'ON CONFLICT (number) DO UPDATE SET free = free - ?3, bitmap = set_bits(bitmap, ?2, ?3)',
    );
    first.commits.onOperationEnd(() => note.note(3, 10, 5));
    first.commits.touch();
    first.commits.operationEnd();
    first.commits.touch();
    first.commits.operationEnd();
    expect(first.database.query('SELECT * FROM space').all()).toEqual([]);
    first.abandon();
    const rows = opened(image).database.query('SELECT number, free, bitmap FROM space').all<{ bitmap: Buffer }>();
    expect(rows).toMatchObject([{ number: 3, free: 32768 - 10 }]);
    expect([...rows[0].bitmap.subarray(0, 3)]).toEqual([0, 0b0111_1100, 0]);
  });

  test('an operation too large for the log is committed before it is answered', () => {
    const image = made();
    const first = opened(image);
    const insert = first.database.mutation('INSERT INTO xattr (ino, name, value) VALUES (?, ?, ?)');
    for (let i = 0; i < 300; i++) insert.run(5, Buffer.from(`n${i}`), Buffer.alloc(65536));
    first.commits.operationEnd();
    expect(first.commits.counts.early).toBe(1);
    insert.run(6, Buffer.from('small'), Buffer.alloc(1));
    first.commits.operationEnd();
    first.abandon();
    const count = opened(image).database.query('SELECT ino, count(*) AS n FROM xattr GROUP BY ino').all();
    expect(count).toEqual([
      { ino: 5, n: 300 },
      { ino: 6, n: 1 },
    ]);
  });

  test.each<[string, (log: Buffer) => unknown]>([
    ['cut short', (log) => log.fill(0, 4100)],
    ['of another volume', (log) => log.write('ffffffff', 16, 'latin1')],
    ['with a changed byte', (log) => log.writeUInt8(log[4096 + 40] ^ 1, 4096 + 40)],
    ['of zeros', (log) => log.fill(0)],
  ])('a log %s brings back nothing and harms nothing', (_what, damage) => {
    const image = made();
    const first = opened(image);
    first.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    first.commits.operationEnd();
    first.abandon();
    const log = fs.readFileSync(redoPath(image));
    damage(log);
    fs.writeFileSync(redoPath(image), log);
    const second = opened(image);
    expect(second.recovery.replayed).toBe(0);
    expect(extentsOf(second, 5)).toEqual([]);
    second.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    expect(second.commits.commitNow()).toBe(0);
  });

  test('a log that contradicts the database is kept aside, whole, and said', () => {
    const image = made();
    const first = opened(image);
    first.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    first.commits.operationEnd();
    first.database.mutation(INSERT).run(6, 0, 301, 1, 1);
    first.commits.operationEnd();
    const log = fs.readFileSync(redoPath(image));
    first.commits.commitNow();
    first.abandon();
    const second = opened(image);
    second.database.connection.exec('UPDATE volume SET sequence = sequence - 1');
    second.abandon();
    fs.writeFileSync(redoPath(image), log);
    const third = opened(image);
    expect(third.recovery.problem).toMatch(/UNIQUE/);
    expect(fs.existsSync(`${redoPath(image)}.unusable`)).toBe(true);
    expect(extentsOf(third, 6)).toHaveLength(1);
  });

  test('SIGKILL in the middle of work: every operation that was answered is there, in a state that existed', async () => {
    const image = made();
    const program = fileURLToPath(new URL('./killed-writer.ts', import.meta.url));
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, ['--import', 'tsx', program, image], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let answered = -1;
      let rest = '';
      await new Promise<void>((resolve, reject) => {
        child.on('error', reject);
        child.on('exit', () => resolve());
        child.stdout.on('data', (chunk: Buffer) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) answered = Number(line);
          if (answered > 2000 * (round + 1)) child.kill('SIGKILL');
        });
      });
      expect(child.signalCode).toBe('SIGKILL');
      const volume = opened(image);
      const [n, most, total] = volume.database
        .query('SELECT count(*), max(file_block), (SELECT blocks FROM inode WHERE ino = 1) FROM extent WHERE ino = 5')
        .raw()
        .get<number[]>() as number[];
      expect(most).toBeGreaterThanOrEqual(answered);
      expect(n).toBe(most + 1);
      expect(total).toBe(n); // written behind, noted at the end of each operation
      volume.abandon();
    }
  }, 30_000);
});

test('the log stays out of the way: nothing is recorded that nobody seals, a reset starts anew', () => {
  const redo = new Redo(path.join(newFolder(), 'log'), 'uuid', 65536);
  redo.reset(1);
  const statement = { number: 1, sql: 'SELECT 1', defined: -1 };
  expect([redo.pending, redo.seal()]).toEqual([false, true]);
  redo.append(statement, [1, 'two', null]);
  expect([redo.pending, redo.used]).toEqual([true, 0]);
  redo.discard();
  expect([redo.pending, redo.seal(), redo.used]).toEqual([false, true, 0]);
  for (let i = 0; redo.used < 65536 * 0.75; i++) {
    redo.append(statement, [i]);
    redo.seal();
  }
  redo.append(statement, [0]);
  expect(redo.seal()).toBe(false);
  redo.reset(2);
  redo.append(statement, [0]);
  expect([redo.seal(), redo.used]).toEqual([true, 48]);
  redo.close();
});

test('the redo log is private to its owner and goes with a clean end', () => {
  const image = made();
  const volume = opened(image);
  expect(fs.statSync(redoPath(image)).mode & 0o777).toBe(0o600);
  append(volume, 5, 0, 300);
  expect(volume.close()).toBe(0);
  expect(fs.existsSync(redoPath(image))).toBe(false);
});
