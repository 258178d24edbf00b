import { describe, expect, it } from 'vitest';
import { LEVELS, Log, type LogFormat, logfmt } from '../../src/system/log.ts';

function logging(level: (typeof LEVELS)[number], format: LogFormat): { log: Log; lines: string[] } {
  const lines: string[] = [];
  return { log: new Log({ level, format, write: (line) => lines.push(line), now: () => 1_000_000_000_123 }), lines };
}

describe('the log', () => {
  it('writes a line of JSON with time, level, part, message and fields', () => {
    const { log, lines } = logging('info', 'json');
    log.write('lease', 'warning', 'a "fence"\nfailed', { lease: 7, missing: undefined, path: '/ü' });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[^\n]*\n$/);
    expect(JSON.parse(lines[0]!)).toEqual({
      time: '2001-09-09T01:46:40.123Z',
      level: 'warning',
      part: 'lease',
      message: 'a "fence"\nfailed',
      lease: 7,
      path: '/ü',
    });
  });

  it('writes logfmt, in which a message is one line whatever is in it', () => {
    const { log, lines } = logging('info', 'text');
    log.write('mount', 'info', 'mounted', { dir: '/mnt/a b', options: '', pid: 12, ok: true });
    log.write('mount', 'error', 'two\nlines');
    expect(lines).toEqual([
      'time=2001-09-09T01:46:40.123Z level=info part=mount message=mounted dir="/mnt/a b" options="" pid=12 ok=true\n',
      'time=2001-09-09T01:46:40.123Z level=error part=mount message="two\\nlines"\n',
    ]);
    expect(logfmt({ a: 'x=y', b: null })).toBe('a="x=y" b=null');
  });

  it.each(LEVELS)('level %s writes what is as serious, and nothing else', (level) => {
    const { log, lines } = logging(level, 'json');
    for (const each of LEVELS) log.of('x')(each, each);
    const written = lines.map((line) => (JSON.parse(line) as { level: string }).level);
    expect(written).toEqual(LEVELS.slice(0, LEVELS.indexOf(level) + 1));
  });

  it('writes a defect with its stack, still on one line', () => {
    const { log, lines } = logging('error', 'text');
    log.defect('fuse', 'a handler threw', new Error('oops'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^time=\S+ level=error part=fuse message="a handler threw" stack="Error: oops\\n.*"\n$/);
  });

  it('writes a trace as it is, to be read', () => {
    const { log, lines } = logging('trace', 'text');
    log.write('fuse', 'trace', '-> #4 LOOKUP "a"');
    expect(lines).toEqual(['-> #4 LOOKUP "a"\n']);
  });
});
