import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OptionError, parseMountOptions, splitOptions } from '../../src/mount/option-words.ts';
import { defaultMountOptions, OPTIONS, usageOf } from '../../src/mount/options.ts';
import { checkout } from '../harness/index.ts';

const defaults = defaultMountOptions(true);
const parse = (...texts: string[]) => parseMountOptions(texts, defaults);

describe('mount options', () => {
  it('are the defaults where nothing is said', () => {
    expect(parse()).toEqual(defaults);
    expect(parse('', 'defaults')).toEqual(defaults);
    expect(defaultMountOptions(false)).toMatchObject({ allowOther: false, nosuid: true, nodev: true });
  });

  it('take the values of leases.md section 8 as defaults', () => {
    expect(defaults).toMatchObject({
      breakTime: 45,
      breakMax: 300,
      odpAck: 2,
      namedPeriod: 30,
      fenceRetry: 1,
      fenceRetryMax: 180,
      grace: 90,
      patience: 60,
      tombstone: 600,
    });
  });

  it('are all of one table: every field has an option, every option a field', () => {
    expect(new Set(OPTIONS.map(({ field }) => field))).toEqual(new Set(Object.keys(defaults)));
    expect(new Set(OPTIONS.map(({ name }) => name)).size).toBe(OPTIONS.length);
  });

  it('parse: the last word wins', () => {
    expect(parse('ro,rw')).toMatchObject({ readOnly: false });
    expect(parse('rw', 'ro')).toMatchObject({ readOnly: true });
    expect(parse('break=2.5,commit=0.2,patience=inf,ctl=none,noatime')).toMatchObject({
      breakTime: 2.5,
      commit: 0.2,
      patience: Number.POSITIVE_INFINITY,
      ctl: undefined,
      atime: 'noatime',
    });
    expect(
      parse('ctl=.x,max_inodes=1000,policy=map-direct-v7,expired=hold,on_expire=kill,errors=exit,fence_cmd=/bin/f'),
    ).toMatchObject({
      ctl: '.x',
      maxInodes: 1000,
      policy: 'map-direct-v7',
      expired: 'hold',
      onExpire: 'kill',
      errors: 'exit',
      fenceCommand: '/bin/f',
    });
  });

  it('raise the maximum of the break time with the break time', () => {
    expect(parse('break=900')).toMatchObject({ breakTime: 900, breakMax: 900 });
  });

  it('ignore what fstab and mount(8) add for themselves', () => {
    expect(parse('noauto,_netdev,user,nofail,x-systemd.automount,x-gvfs-show,subtype=layoutfs,comment=a')).toEqual(
      defaults,
    );
  });

  it.each([
    'frob',
    'frob=1',
    'ro=1',
    'break',
    'break=',
    'break=soon',
    'break=-1',
    'break=1e9',
    'commit=0',
    'policy=lax',
    'ctl=a/b',
    'ctl=..',
    'max_inodes=1.5',
    'commit=inf',
  ])('refuse "%s" and say what would do', (word) => {
    expect(() => parse(word)).toThrow(OptionError);
    expect(() => parse(word)).toThrow(/Known:|needs a value:|takes no value|is not allowed:|can not be a file name/);
  });

  it('never fail in another way, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(OptionError);
        }
      }),
    );
  });

  it('split at commas, except behind a backslash', () => {
    expect(splitOptions('a,,b\\,c=d\\\\e,')).toEqual(['a', 'b,c=d\\e']);
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 })), (words) => {
        expect(splitOptions(words.map((word) => word.replace(/[\\,]/g, '\\$&')).join(','))).toEqual(words);
      }),
    );
  });

  it('are on the page that documents them', () => {
    const page = readFileSync(join(checkout, 'docs', 'mount-options.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `(.*?)` \| (.*?) \| (.*?) \|$/gm)].map(([, usage, help]) => [
      usage?.replaceAll('\\|', '|'),
      help,
    ]);
    expect(rows).toEqual(OPTIONS.map((row) => [usageOf(row), row.help]));
  });
});
