import { usageError } from './exit.ts';

const UNITS: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/**
 * Bytes from `4096`, `64k`, `4g`, `1.5T` (powers of 1024).
 * @throws CommandError (usage) for anything else, and where the result is not a whole number below 2^53.
 */
export function parseSize(text: string, what: string): number {
  const parts = /^(\d+(?:\.\d+)?)([kmgtp]?)(?:i?b)?$/i.exec(text);
  const number = parts === null ? Number.NaN : Number(parts[1]) * (UNITS[(parts[2] as string).toLowerCase()] as number);
  if (!Number.isSafeInteger(number)) {
    throw usageError(`${what}: "${text}" is not a size: write bytes, or a number with k, m, g, t (powers of 1024)`);
  }
  return number;
}
