import type { DeviceMap, Span } from '../../src/picture/device.ts';

/** A device of 1000 blocks with one of everything, and a name that tries to end the page's script. */
export const EVIL = '/</script><script>document.title="broken"</script>&"\'';

export function device(spans: Span[] = SPANS): DeviceMap {
  const base = { image: '/srv/a <b>.img', uuid: '00000000-0000-4000-8000-000000000000', blockSize: 4096, blocks: 1000 };
  return { ...base, spans, files: 4, extents: 5, freeRuns: [0, 0, 0, 1, 0, 0, 0, 0, 0, 1], longestFree: 590 };
}

const SPANS: Span[] = [
  { start: 0, length: 10, state: 'header', what: 'header of the volume' },
  { start: 10, length: 200, state: 'used', what: '/a' },
  { start: 210, length: 100, state: 'leased', what: '/db/data', lease: 7 },
  { start: 320, length: 50, state: 'sealed', what: EVIL },
  { start: 370, length: 1, state: 'quarantined', what: 'revoked', lease: 3 },
  { start: 371, length: 39, state: 'used', what: '/b' },
];
