import { readFileSync } from 'node:fs';

export interface MountDevice {
  readonly major: number;
  readonly minor: number;
}

/**
 * Device number of the topmost mount at `dir`, from /proc/self/mountinfo: a daemon must not stat(2) its own mount.
 * undefined when nothing is mounted there.
 */
export function deviceOfMount(dir: string): MountDevice | undefined {
  const plain = (text: string): string =>
    text.replace(/\\(\d{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)));
  let device: string | undefined;
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const fields = line.split(' ');
    if (fields.length > 4 && plain(fields[4] as string) === dir) device = fields[2];
  }
  if (device === undefined) return undefined;
  const [major, minor] = device.split(':').map(Number) as [number, number];
  return { major, minor };
}
