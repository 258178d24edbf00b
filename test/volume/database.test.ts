import { expect, test } from 'vitest';
import { made, opened } from './fixture.ts';

test('a bare LIMIT parameter is refused: SQLite would prepare the statement anew each time it is bound', () => {
  const database = opened(made()).database;
  expect(() => database.query('SELECT 1 LIMIT ?')).toThrow(TypeError);
  expect(() => database.query('SELECT 1 LIMIT ?12')).toThrow(TypeError);
  expect(database.query('SELECT ?2 AS x LIMIT ?1 + 0').all(1, 7)).toEqual([{ x: 7 }]);
  expect(database.query('SELECT 7 AS x LIMIT ? + 0').all(0)).toEqual([]);
});
