const UNITS = ['', 'K', 'M', 'G', 'T', 'P'];

/** A number of bytes for people: `1.5G`; exact where it is a whole number. */
export function bytes(count: number): string {
  let unit = 0;
  let value = count;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)}${UNITS[unit]}`;
}
