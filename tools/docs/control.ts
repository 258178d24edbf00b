import { referenceMarkdown } from '../../src/control/grammar/help.ts';
import { IOCTLS } from '../../src/control/ioctlStructs.ts';

/** docs/control.md: how a session works, and the reference that the grammar gives. */
export function controlPage(): string[] {
  return [
    '# The control protocol',
    '',
    'Everything is in a hidden directory `.layout` at the root of the mount (mount option `ctl=`), found by name and listed nowhere.',
    'What its files are: [windows](windows.md); libraries that speak this: [clients](clients.md); who sees what when:',
    '[coherence](coherence.md).',
    '',
    '## Sessions',
    '',
    'An open of `.layout/ctl` is a session. Write a request, a line of at most 64 KiB; read its reply from the same descriptor. Events of',
    'its leases come on it too, in order with the replies: one poll(2) serves both. Its leases (`bind=fd`) end when its last descriptor is',
    'closed, by SIGKILL also; dup, fork and SCM_RIGHTS share it. Nobody may more in it than who opened it.',
    '',
    '- A request that is refused fails its write(2), with the same errno; the reply with the reason can be read. Of several lines in one',
    '  write the first that fails ends it. One write takes at most 256 lines, or 256 KiB, and answers how many bytes it took.',
    '- A verb that waits holds the write; a signal ends it with EINTR. O_NONBLOCK is for reading.',
    '- A reader without O_NONBLOCK waits for a line. Replies that nobody reads stop the session at 1 MiB (ENOBUFS); of events the newest',
    '  are kept, and `overflow` says how many were lost: `ls` and `map` tell the state.',
    '- Who has asked for the `map` of a lease gets one event `gen` when the block map changes, and no more until he asks again.',
    '',
    'Two equal forms, the reply in the form of the request:',
    '',
    '    get path=/db/data.ibd kind=direct range=0-1g',
    '    ok id=7 seq=1 state=granted kind=direct mode=rw gen=12 …',
    '    {"verb":"get","path":"/db/data.ibd","kind":"direct","offset":0,"length":1073741824}',
    '    {"ok":true,"id":7,"seq":1,"state":"granted",…}',
    '',
    'In the plain form values with blanks are quoted as in JSON, bytes of paths may be `\\xNN`, sizes take k m g t (1024), `range=a-b` is',
    'offset a up to b, and a list comes as lines that begin with a blank, ended by the `ok` line. Lines that begin with `event` (JSON: that',
    'have `"event"`) are never replies. A `tag` of a request comes back in its reply.',
    '',
    '## ioctl(2)',
    '',
    'The same on an open file, without paths, in structs of `tools/client-c/layoutfs.h`; on `.layout/ctl` for the leases of the session.',
    'A lease got on a data file lasts as long as that open file and its mappings, whoever has it. Each struct begins with its size: a',
    'shorter one of an older program is taken, of a longer one the rest must be zero (E2BIG).',
    '',
    '| Request | Struct | Bytes | Flags |',
    '|---|---|---|---|',
    ...Object.entries(IOCTLS).map(
      ([name, { name: struct, size, flags }]) =>
        `| \`LAYOUT_IOC_${name}\` | \`${struct}\` | ${size} | ${Object.keys(flags).join(' ') || '–'} |`,
    ),
    '',
    ...referenceMarkdown().trimEnd().split('\n'),
  ];
}
