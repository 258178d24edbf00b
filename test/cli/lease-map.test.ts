import { describe, expect, it } from 'vitest';
import { dmTable } from '../../src/cli/lease-map.ts';
import { describeMounted, mountVolume } from '../harness/index.ts';

describe('map --format=dm', () => {
  it('is a table in sectors that begins at 0, with zeros for holes', () => {
    const extents = [
      { offset: 1 << 20, device: 4 << 20, length: 65536, state: 'written' as const },
      { offset: (1 << 20) + 65536, device: null, length: 4096, state: 'hole' as const },
      { offset: (1 << 20) + 69632, device: 8 << 20, length: 8192, state: 'written' as const },
    ];
    expect(dmTable(extents, '/dev/loop0').split('\n')).toEqual([
      '0 128 linear /dev/loop0 8192',
      '128 8 zero',
      '136 16 linear /dev/loop0 16384',
    ]);
  });

  it('refuses blocks whose bytes are not the file’s', () => {
    for (const state of ['unwritten', 'shared'] as const)
      expect(() => dmTable([{ offset: 0, device: 0, length: 4096, state }], 'd')).toThrow(state);
  });
});

describeMounted('lease map', ['dd', 'cmp', 'losetup'], () => {
  it('tells a loop user where the bytes are: put together from the device they are the file', {
    timeout: 100_000,
  }, async () => {
    await using volume = await mountVolume({ deadline: 95_000 });
    await volume.bash(`
      for i in 1 2 3 4 5 6; do head -c 100k /dev/urandom >> file; head -c 40k /dev/urandom >> other; sync file other; done
      truncate -s 900k file; head -c 64k /dev/urandom >> file; sync file`);
    const table = await volume.layoutfs(['lease', 'map', `${volume.dir}/file`, '--format=dm']);
    expect(table.stderr).toBe('');
    const lines = table.stdout.trim().split('\n');
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.some((line) => line.endsWith(' zero'))).toBe(true);
    await volume.bash(`
      while read start length target device from; do
        if [ "$target" = linear ]; then dd if="$device" of="$ROOT/copy" bs=512 skip=$from seek=$start count=$length conv=notrunc status=none; fi
      done <<'END'\n${table.stdout}END
      truncate -s 964k "$ROOT/copy"; cmp file "$ROOT/copy"`);
    // And through a loop device for each extent, as a loop user would set them up.
    await volume.bash(`
      truncate -s 0 "$ROOT/copy"
      while read start length target device from; do
        if [ "$target" = linear ]; then
          loop=$(losetup -r -f --show --offset $((from * 512)) --sizelimit $((length * 512)) "$device")
          dd if="$loop" of="$ROOT/copy" bs=64k seek=$((start * 512)) oflag=seek_bytes conv=notrunc status=none
          losetup -d "$loop"
        fi
      done <<'END'\n${table.stdout}END
      truncate -s 964k "$ROOT/copy"; cmp file "$ROOT/copy"`);
    const json = await volume.layoutfs(['lease', 'map', `${volume.dir}/file`, '--format=json']);
    expect(JSON.parse(json.stdout).extents).toHaveLength(lines.length);
    const text = await volume.layoutfs(['lease', 'map', `${volume.dir}/file`]);
    expect(text.stdout).toContain('hole');
    await volume.bash('fallocate -l 1m unwritten');
    const refused = await volume.layoutfs(['lease', 'map', `${volume.dir}/unwritten`, '--format=dm']);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('prepare the file first');
  });
});
