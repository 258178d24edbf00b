import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { E, errnoMessage, errnoName, errnoNumber, SystemError } from '../../src/system/errno.ts';

test('the numbers are those of the machine', () => {
  let compared = 0;
  for (const [name, number] of Object.entries(constants.errno)) {
    expect(errnoNumber(name), name).toBe(number);
    compared++;
  }
  expect(compared).toBeGreaterThan(70);
});

test('names come from either sign, and unknown numbers are shown', () => {
  expect(errnoName(E.NOENT)).toBe('ENOENT');
  expect(errnoName(-E.TXTBSY)).toBe('ETXTBSY');
  expect(errnoName(E.OPNOTSUPP)).toBe('EOPNOTSUPP');
  expect(errnoName(E.AGAIN)).toBe('EAGAIN');
  expect(errnoName(4711)).toBe('E4711');
});

test('messages are those of strerror', () => {
  expect(errnoMessage(E.TXTBSY)).toBe('Text file busy');
  expect(errnoMessage(0)).toBe('Success');
  expect(errnoMessage(9999)).toBe('Unknown error 9999');
});

test('a name is found with and without its E', () => {
  expect(errnoNumber('EXDEV')).toBe(E.XDEV);
  expect(errnoNumber('XDEV')).toBe(E.XDEV);
  expect(errnoNumber('EXIST')).toBe(E.EXIST);
  expect(errnoNumber('nonsense')).toBeUndefined();
});

test('as an exception it says what was tried', () => {
  const error = new SystemError(-E.ACCES, 'open /dev/fuse');
  expect(error.message).toBe('open /dev/fuse: Permission denied (EACCES)');
  expect([error.errno, error.code]).toEqual([13, 'EACCES']);
});
