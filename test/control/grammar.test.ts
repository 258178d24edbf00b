import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeBytes, unescapeBytes } from '../../src/control/grammar/bytes.ts';
import type { Field, Fields } from '../../src/control/grammar/fields.ts';
import { referenceMarkdown, verbHelp } from '../../src/control/grammar/help.ts';
import { isFault, MAX_LINE, type Parsed, parseRequest } from '../../src/control/grammar/parse.ts';
import { VERB_NAMES, VERBS, type Verb, type VerbName } from '../../src/control/grammar/verbs.ts';
import { writeEvent, writeRefusal, writeReply, writeRequest } from '../../src/control/grammar/write.ts';
import { E } from '../../src/system/errno.ts';

const seed = Number(process.env.FC_SEED ?? 20260731);
const parse = (line: string): Parsed => {
  const parsed = parseRequest(Buffer.from(line, 'utf8'));
  if (isFault(parsed)) throw new Error(`${line}: ${parsed.hint} at ${parsed.column}`);
  return parsed;
};
const fault = (line: string | Buffer) => {
  const parsed = parseRequest(typeof line === 'string' ? Buffer.from(line, 'utf8') : line);
  if (!isFault(parsed)) throw new Error(`${line} was taken`);
  return parsed;
};

/** Values that a field may have, for round trips. */
function arbitraryOf(field: Field<unknown>): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case 'choice':
      return fc.constantFrom(...(field.choices ?? []));
    case 'flag':
      return fc.boolean();
    case 'path':
      return fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes.map((b) => b || 47)));
    case 'text':
      return field.accepts
        ? fc.constantFrom('event', 'none', 'signal:10')
        : fc.string({ unit: 'binary', maxLength: 40 });
    case 'duration':
      return fc.oneof(fc.integer({ min: 0, max: 10_000 }), fc.constant(Number.POSITIVE_INFINITY), fc.constant(0.25));
    case 'ranges': {
      const range = fc.record({
        offset: fc.nat(2 ** 31 - 1),
        length: fc.option(fc.integer({ min: 1, max: 2 ** 31 - 1 })),
      });
      return fc.array(range, { minLength: 1, maxLength: 4 });
    }
    default:
      return fc.integer({ min: 1, max: 2 ** 50 });
  }
}

/** Requests that the grammar takes, of all verbs. */
const requests = fc.constantFrom(...VERB_NAMES).chain((verb) => {
  const spec: Verb = VERBS[verb];
  const chosen = new Set((spec.needs ?? []).map((names) => names[0] as string));
  const others = new Set((spec.needs ?? []).flatMap((names) => names.slice(1)));
  const required: string[] = [];
  const arbitraries: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [name, field] of Object.entries(spec.request)) {
    if (others.has(name) || name === 'gen') continue;
    arbitraries[name] = arbitraryOf(field);
    if (field.required || chosen.has(name)) required.push(name);
  }
  const values = fc.record(arbitraries, { requiredKeys: required as never });
  return fc.record({ verb: fc.constant(verb), values, tag: fc.option(fc.nat(), { nil: undefined }) });
});

/** `npm run fuzz` tries a million. */
const LINES = Number(process.env.LAYOUTFS_FUZZ ?? 100_000);
const AT_ONCE = 20_000;

describe('the grammar of requests', () => {
  it('reads what it wrote, in both forms', () => {
    fc.assert(
      fc.property(requests, fc.constantFrom('plain' as const, 'json' as const), ({ verb, values, tag }, form) => {
        const line = writeRequest(form, verb as VerbName, values as never, tag);
        expect(line.indexOf('\n')).toBe(line.length - 1);
        const parsed = parse(line.slice(0, -1));
        expect(parsed.verb).toBe(verb);
        expect(parsed.form).toBe(form);
        // The plain form knows no types: a tag is a text there.
        expect(parsed.tag === undefined ? undefined : Number(parsed.tag)).toBe(tag);
        expect(clean(parsed.values)).toEqual(clean(values));
      }),
      { seed, numRuns: 600 },
    );
  });

  it(`never throws, and names an errno and a column, for ${LINES} random lines`, {
    timeout: 90_000 + LINES * 2,
  }, () => {
    const counts = new Map<number, number>();
    let taken = 0;
    const words = fc.constantFrom(
      ...VERB_NAMES,
      ...['path=', 'id=7', 'range=0-1g', 'range=1g-0', 'seq=1', '{', '}', '"', '\\x', ':', ',', '[', ']', 'null'],
      ...['"verb"', '"get"', '"path"', '"/a"', 'kind=direct', 'kind=', ' ', '\t', '=', '-1', '1e400', 'tag=', '"tag"'],
      ...['__proto__', 'constructor', 'toString=1', '{"__proto__":1}', '\u0000', 'ÿ', '9'.repeat(30)],
    );
    const line = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      fc.array(words, { maxLength: 8 }).map((list) => Buffer.from(list.join(''), 'latin1')),
      fc.array(words, { maxLength: 8 }).map((list) => Buffer.from(list.join(' '), 'latin1')),
      fc.json({ maxDepth: 6 }).map((text) => Buffer.from(text)),
    );
    const tryLine = (bytes: Buffer): void => {
      const parsed = parseRequest(bytes);
      if (!isFault(parsed)) {
        taken += 1;
        return;
      }
      counts.set(parsed.errno, (counts.get(parsed.errno) ?? 0) + 1);
      if (parsed.column < 1 || parsed.column > bytes.length + 2) throw new Error(`column ${parsed.column} of ${bytes}`);
      if (parsed.hint === '') throw new Error(`no hint for ${bytes}`);
    };
    for (let done = 0; done < LINES; done += AT_ONCE) {
      for (const bytes of fc.sample(line, { seed: seed + done, numRuns: AT_ONCE })) tryLine(bytes);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([E.INVAL, E.NOSYS]);
    expect(taken).toBeGreaterThan(0);
  });

  it('takes the examples of the table', () => {
    for (const verb of VERB_NAMES) expect(parse(VERBS[verb].example).verb).toBe(verb);
  });

  it('takes sizes, ranges and durations', () => {
    expect(parse('get path=/a range=1k-2m').values).toMatchObject({ offset: 1024, length: 2 ** 21 - 1024 });
    expect(parse('get path=/a range=4k-').values).toEqual({ path: Buffer.from('/a'), offset: 4096 });
    expect(parse('{"verb":"get","path":"/a","offset":0,"length":1073741824,"wait":0}').values).toMatchObject({
      offset: 0,
      length: 2 ** 30,
      wait: 0,
    });
    expect(parse('get path=/a wait=30s').values).toMatchObject({ wait: 30 });
    expect(parse('get path=/a wait=250ms').values).toMatchObject({ wait: 0.25 });
    expect(parse('get path=/a wait=inf').values).toMatchObject({ wait: Number.POSITIVE_INFINITY });
    expect(parse('get path=/a length=1t').values).toMatchObject({ length: 2 ** 40 });
    expect(parse('commit id=1 ranges=0-4k,8k-12k').values).toMatchObject({
      ranges: [
        { offset: 0, length: 4096 },
        { offset: 8192, length: 4096 },
      ],
    });
  });

  it('takes paths as bytes', () => {
    const path = (line: string | Buffer): Buffer => {
      const parsed = parseRequest(Buffer.from(line as string));
      if (isFault(parsed)) throw new Error(parsed.hint);
      return (parsed.values as { path: Buffer }).path;
    };
    expect(path('map path="/a b\\"c"')).toEqual(Buffer.from('/a b"c'));
    expect(path('map path=/a\\x20\\xff\\\\')).toEqual(Buffer.from([47, 97, 32, 255, 92]));
    expect(path('{"verb":"map","path":"/a\\\\xff"}')).toEqual(Buffer.from([47, 97, 255]));
    expect(path('{"verb":"map","path":"/\\u00e4\\ud83d\\ude00"}')).toEqual(Buffer.from('/ä😀'));
    expect(path('map path=/ä')).toEqual(Buffer.from('/ä'));
    expect(path(Buffer.concat([Buffer.from('map path=/'), Buffer.from([0xff])]))).toEqual(Buffer.from([47, 255]));
  });

  it.each([
    ['got path=/a', E.NOSYS, 1],
    ['  got', E.NOSYS, 3],
    ['{"verb":"got"}', E.NOSYS, 9],
    ['', E.INVAL, 1],
    ['get', E.INVAL, 4],
    ['get path=/a color=red', E.INVAL, 13],
    ['get path=/a kind=soft', E.INVAL, 18],
    ['get path=/a path=/b', E.INVAL, 13],
    ['get path=/a ino=5', E.INVAL, 17],
    ['get path="/a', E.INVAL, 13],
    ['get path=/a\\x', E.INVAL, 12],
    ['get path=/a\\x00', E.INVAL, 10],
    ['get path=/a range=9-8', E.INVAL, 19],
    ['get path=/a range=4k', E.INVAL, 19],
    ['get path=/a range=0-4k offset=0', E.INVAL, 19],
    ['get path=/a offset=-1', E.INVAL, 20],
    ['get path=/a offset=9007199254740993', E.INVAL, 20],
    ['get path=/a notify=signal:99', E.INVAL, 20],
    ['return id=x', E.INVAL, 11],
    ['return seq=1', E.INVAL, 13],
    ['{"verb":"return","id":"7"}', E.INVAL, 23],
    ['{"verb":"return","id":7.5}', E.INVAL, 23],
    ['{"verb":"return","id":7,}', E.INVAL, 25],
    ['{"verb":"return","id":7} x', E.INVAL, 26],
    ['{"verb":"return","id":7,"id":8}', E.INVAL, 25],
    ['{"id":7}', E.INVAL, 1],
    ['[1]', E.INVAL, 1],
    ['{"verb":"map","path":"\\ud800"}', E.INVAL, 23],
    ['{"verb":"return","__proto__":{"id":7}}', E.INVAL, 18],
    ['{"a":[[[[[[[[1]]]]]]]]}', E.INVAL, 10],
  ])('refuses %s', (line, errno, column) => {
    const refused = fault(line);
    expect([refused.errno, refused.column]).toEqual([errno, column]);
  });

  it('refuses a line that is too long with EMSGSIZE, one that just fits not', () => {
    expect(fault(`ls ${' '.repeat(MAX_LINE)}`).errno).toBe(E.MSGSIZE);
    expect(parse(`ls ${' '.repeat(MAX_LINE - 3)}`).verb).toBe('ls');
  });

  it('keeps the tag of a request that it refuses for another reason', () => {
    expect(fault('got tag=a7').tag).toBe('a7');
    expect(fault('{"verb":"return","tag":5}').tag).toBe(5);
  });
});

describe('the grammar of answers', () => {
  it('writes replies in both forms', () => {
    const reply = {
      id: 7,
      seq: 1,
      state: 'granted' as const,
      kind: 'direct' as const,
      mode: 'rw' as const,
      gen: 12,
      offset: 0,
      length: null,
      extents: 3,
      epoch: 2,
      token: 't',
    };
    expect(writeReply('plain', 'get', reply, 'x y')).toBe(
      'ok id=7 seq=1 state=granted kind=direct mode=rw gen=12 range=0- extents=3 epoch=2 token=t tag="x y"\n',
    );
    expect(JSON.parse(writeReply('json', 'get', reply, 4))).toEqual({ ok: true, ...reply, tag: 4 });
  });

  it('writes lists as lines that begin with a blank, ended by the ok line', () => {
    const reply = {
      id: 7,
      gen: 12,
      block_size: 4096,
      size: 8192,
      device: { uuid: 'u', path: '/srv/a b.img' },
      next: null,
      extents: [
        { offset: 0, device: 1048576, length: 4096, state: 'written' as const },
        { offset: 4096, device: null, length: 4096, state: 'hole' as const },
      ],
    };
    expect(writeReply('plain', 'map', reply)).toBe(
      ' offset=0 device=1048576 length=4096 state=written\n' +
        ' offset=4096 device=- length=4096 state=hole\n' +
        'ok id=7 gen=12 block_size=4096 size=8192 device_uuid=u device_path="/srv/a b.img" next=-\n',
    );
    expect(JSON.parse(writeReply('json', 'map', reply))).toEqual({ ok: true, ...reply });
  });

  it('writes refusals as control.md shows them', () => {
    const refusal = {
      errno: 'ETXTBSY',
      lease: 7,
      holder: { pid: 4242, command: 'postgres' },
      offset: 0,
      length: 1073741824,
      age_ms: 3200,
      deadline_ms: null,
      hint: 'return the lease, or wait=30s',
    };
    expect(writeRefusal('plain', refusal)).toBe(
      'err ETXTBSY lease=7 holder=4242 command=postgres range=0-1073741824 age=3.2s deadline=- hint="return the lease, or wait=30s"\n',
    );
    expect(JSON.parse(writeRefusal('json', refusal))).toEqual({ ok: false, ...refusal });
  });

  it('writes events as control.md shows them', () => {
    const event = {
      event: 'recall' as const,
      lease: 7,
      seq: 2,
      path: Buffer.from('/db/data.ibd'),
      offset: 0,
      length: 4096,
      reason: 'truncate',
      target: 'none',
      deadline_ms: 45_000,
      breaker: { pid: 4711, command: 'truncate', operation: 'setattr.size' },
    };
    expect(JSON.parse(writeEvent('json', event))).toEqual({ ...event, path: '/db/data.ibd' });
    expect(writeEvent('plain', event)).toBe(
      'event recall lease=7 seq=2 path=/db/data.ibd range=0-4096 reason=truncate target=none deadline=45s ' +
        'breaker=4711 breaker_command=truncate breaker_operation=setattr.size\n',
    );
  });

  it('never lets a value break a line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.uint8Array({ minLength: 1 }), (hint, path) => {
        for (const form of ['plain', 'json'] as const) {
          const lines = [
            writeRefusal(form, { errno: 'EIO', hint }),
            writeEvent(form, { event: 'gen', path, reason: hint }),
          ];
          for (const line of lines) expect(line.indexOf('\n')).toBe(line.length - 1);
        }
        expect(
          Buffer.from(unescapeBytes(Buffer.from(escapeBytes(path)).toString('latin1')) as string, 'latin1'),
        ).toEqual(Buffer.from(path));
      }),
      { seed, numRuns: 500 },
    );
  });
});

describe('the help', () => {
  it('names every verb and every field of the table', () => {
    const reference = referenceMarkdown();
    for (const name of VERB_NAMES) {
      expect(reference).toContain(`### ${name}\n`);
      const fields: Fields = VERBS[name].request;
      for (const field of Object.keys(fields)) expect(verbHelp(name)).toContain(field);
    }
  });
});

/** Without what is absent; bytes as bytes; `-0` and flags as they are. */
function clean(values: object): object {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, value instanceof Uint8Array ? [...value] : value]));
}
