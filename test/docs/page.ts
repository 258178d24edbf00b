/**
 * Pages whose commands can be run. In README.md and docs/*.md
 *
 * - a block of language `sh` is run, all of a page in their order, in one shell. `sh fails`: its last command must fail. A
 *   block whose first line is `# not run by the tests: …` is not; the reader sees why;
 * - a block of language `text` right after one that runs is what it says, line by line. `…` stands for anything in a line,
 *   a line that is only `…` for any number of lines. `text like`: numbers, and how many blanks there are, may differ;
 * - a block of another language with a file's name after it (`c holder.c`) becomes that file;
 * - a comment `<!-- setup … -->` is run like a block, without being seen.
 */
export type Part =
  | { type: 'run'; commands: string; fails: boolean; setup: boolean; output?: Output }
  | { type: 'file'; name: string; content: string }
  | { type: 'not-run'; commands: string; reason: string };

export interface Output {
  text: string;
  like: boolean;
  /** Where the text stands in the page, for writing it anew. */
  start: number;
  end: number;
}

const BLOCK = /^```(?<info>[^\n`]*)\n(?<body>.*?)^```$|^<!-- setup\n(?<setup>.*?)^-->$/gms;
/** In a pattern, where points are escaped; with its unit where it is a time. */
const NUMBER = /\d+(?:\\\.\d+)?(m?s\b)?/g;
const REASON = /^# not run by the tests: (.+)\n/;

export function parts(page: string): Part[] {
  const found: Part[] = [];
  for (const match of page.matchAll(BLOCK)) {
    const { info = '', body = '', setup } = match.groups as Record<string, string | undefined>;
    if (setup !== undefined) {
      found.push({ type: 'run', commands: setup, fails: false, setup: true });
      continue;
    }
    const [language, mark] = info.trim().split(/\s+/);
    const last = found.at(-1);
    if (language === 'sh') {
      const reason = REASON.exec(body)?.[1];
      if (reason !== undefined) found.push({ type: 'not-run', commands: body, reason });
      else found.push({ type: 'run', commands: body, fails: mark === 'fails', setup: false });
    } else if (language === 'text' && last?.type === 'run' && !last.setup && last.output === undefined) {
      const start = match.index + match[0].indexOf('\n') + 1;
      last.output = { text: body, like: mark === 'like', start, end: start + body.length };
    } else if (mark?.includes('.')) found.push({ type: 'file', name: mark, content: body });
  }
  return found;
}

/** What a page shows of an output, as an expression that the output must match as a whole. */
export function expected({ text, like }: Pick<Output, 'text' | 'like'>): RegExp {
  const lines = text.split('\n').slice(0, -1);
  const source = lines.map((line) => {
    if (line.trim() === '…') return '(?:.*\\n)*?';
    let pattern = line.trimEnd().replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    if (like)
      pattern = pattern
        .replace(NUMBER, (_, unit) => (unit === undefined ? '[\\d.]+' : '[\\d.]+m?s'))
        .replace(/ +/g, ' +');
    return `${pattern.replaceAll('…', '.*')}\\n`;
  });
  return new RegExp(`^${source.join('')}$`);
}

/** An output as it is compared and printed: no colours, no blanks at the end of a line. */
export function tidy(output: string): string {
  const plain = output.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '').replace(/[ \t]+$/gm, '');
  return plain === '' || plain.endsWith('\n') ? plain : `${plain}\n`;
}
