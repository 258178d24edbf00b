/**
 * The operation matrix on a real mount: every operation (a row), every kind of lease (a column), asked by another process
 * and by the holder itself. What is expected comes from the table in src/lease/matrix.ts, which test/lease/matrix.test.ts
 * holds against the document; here it is shown that operations do it: the errno, the effect, and that nothing changed
 * where it was refused.
 */
import { existsSync } from 'node:fs';
import type { LeaseFacts, Letter } from '../../src/lease/cell.ts';
import { columnOf, KINDS, type Kind, type Mode } from '../../src/lease/kinds.ts';
import { byHolder, bySeal, thirdParty } from '../../src/lease/matrix.ts';
import { MATRICES, type Policy } from '../../src/lease/policies.ts';
import { sleep, within } from '../harness/index.ts';
import type { Actor, Look, Outcome, Reply } from './actor.ts';
import { type Build, type Context, deviceOf, type Operation, SIZE } from './matrix-operations.ts';

export interface Column {
  name: string;
  get?: Record<string, unknown> & { kind: Kind };
  /** 1 sealed, 2 sealed with unwritten extents. */
  sealed?: 1 | 2;
}

const rw = { mode: 'rw' } as const;
export const COLUMNS: readonly Column[] = [
  { name: 'layout ro', get: { kind: 'layout' } },
  { name: 'layout ro, not coherent', get: { kind: 'layout', coherent: false } },
  { name: 'layout rw', get: { kind: 'layout', ...rw } },
  { name: 'layout rw, not coherent', get: { kind: 'layout', ...rw, coherent: false } },
  { name: 'direct', get: { kind: 'direct' } },
  { name: 'direct, coherent', get: { kind: 'direct', coherent: true } },
  { name: 'direct, unwritten_ok', get: { kind: 'direct', unwritten_ok: true } },
  { name: 'unbreakable', get: { kind: 'direct', unbreakable: true, unwritten_ok: true } },
  { name: 'frozen', get: { kind: 'frozen' } },
  { name: 'swap', get: { kind: 'swap' } },
  { name: 'exclusive', get: { kind: 'exclusive' } },
  { name: 'sealed', sealed: 1 },
  { name: 'sealed, unwritten_ok', sealed: 2 },
];

async function build(actor: Actor, path: string, how: Build, sealed: 0 | 1 | 2): Promise<void> {
  const size = how === 'hole' || how === 'unwritten' ? SIZE / 2 : how === 'tail' ? SIZE - 100 : SIZE;
  await actor.do('write', path, 0, size, 'p');
  if (how === 'hole') await actor.do('truncate', path, SIZE);
  if (how === 'unwritten') await actor.do('fallocate', path, 0, SIZE / 2, SIZE / 2);
  const flag = how === 'sealed' ? 1 : sealed;
  if (flag === 0) return;
  const reply = await actor.verb({ verb: 'seal', path: `/${path}`, unwritten_ok: flag === 2 });
  if (!reply.ok) throw new Impossible(reply);
}

/** The file that the operation needs and the lease do not go together: there is no such cell. */
class Impossible extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super(JSON.stringify(reply));
    this.reply = reply;
  }
}

export function factsOf(column: Column): LeaseFacts {
  const get = column.get ?? { kind: 'direct' as const };
  const rule = KINDS[get.kind];
  const mode = (get.mode as Mode | undefined) ?? rule.defaultMode;
  return {
    column: columnOf(get.kind, get.unbreakable === true),
    rw: mode === 'rw',
    frozen: get.kind === 'frozen',
    coherent: (get.coherent as boolean | undefined) ?? rule.coherent,
    unwrittenOk: get.unwritten_ok === true,
  };
}

export function expected(policy: Policy, operation: Operation, column: Column, own: boolean): Letter {
  const row = MATRICES[policy][operation.row];
  if (column.sealed) return bySeal(row, column.sealed);
  return own && !operation.writeback ? byHolder(row, factsOf(column)) : thirdParty(row, factsOf(column));
}

/** What the preconditions of the grant, or the flag, keep from ever meeting. */
export function impossible(operation: Operation, column: Column): string | undefined {
  const facts = factsOf(column);
  const rule = KINDS[column.get?.kind ?? 'direct'];
  const unwrittenOk = column.sealed ? column.sealed === 2 : facts.unwrittenOk || rule.unwritten === true;
  if (operation.build === 'hole' && (column.sealed || !rule.holes)) return 'ENXIO';
  if (operation.build === 'unwritten' && !unwrittenOk) return 'ENXIO';
  if (operation.build === 'sealed' && !column.sealed && facts.rw && facts.column !== 'direct' && rule.holes)
    return 'ETXTBSY';
  return undefined;
}

const ERRNO = { T: 'ETXTBSY', K: 'EDEADLK', Y: 'EBUSY' } as const;
const same = (a: Look, b: Look): boolean => JSON.stringify(a) === JSON.stringify(b);
const errnoOf = (outcome: Outcome | Reply): string => outcome.errno ?? '';
let count = 0;

/** Throws with what was wrong; gives what was seen, for the report: A, B, T, K, EBUSY, or why there is no such cell. */
export async function cell(
  policy: Policy,
  operation: Operation,
  column: Column,
  own: boolean,
  holder: Actor,
  third: Actor,
): Promise<string> {
  const path = `f${count++}`;
  const letter = expected(policy, operation, column, own);
  const none = impossible(operation, column);
  try {
    await build(third, path, operation.build ?? 'plain', column.sealed ?? 0);
  } catch (error) {
    if (error instanceof Impossible && error.reply.errno === none) return `– (${none})`;
    throw error;
  }
  const actor = own ? holder : third;
  const c: Context = { actor, path, other: `${path}.other`, before: await third.look(path), device: -1 };
  c.device = await deviceOf({ ...c, actor: third });
  await operation.prepare?.({ ...c, actor: third });
  let id = 0;
  if (column.get) {
    const reply = await holder.hold({ verb: 'get', path: `/${path}`, ...column.get });
    if (none !== undefined) {
      if (reply.ok || reply.errno !== none) throw new Error(`the grant: ${JSON.stringify(reply)}, not ${none}`);
      return `– (${none})`;
    }
    if (!reply.ok) throw new Error(`no lease: ${JSON.stringify(reply)}`);
    id = reply.id as number;
  } else if (none !== undefined) throw new Error('sealed, although its file should not be sealable');
  // The grant writes back and drops pages; what the map says is the same.
  const running = operation.run(c);
  running.catch(() => {}); // looked at below, unless the cell is wrong before that
  const wait = async (): Promise<Outcome | Reply> =>
    within(30_000, `${operation.name} under ${column.name} (expected ${letter})`, running);

  if (letter === 'B') await recalled(c, operation, column, id, holder, running);
  else {
    const outcome = await wait();
    const errno = errnoOf(outcome);
    const right = letter === 'A' ? '' : operation.row === 'drain' ? 'EBUSY' : ERRNO[letter as 'T'];
    if (errno !== right) throw new Error(`${errno || 'done'}, not ${right || 'done'}: ${JSON.stringify(outcome)}`);
    const gone = operation.row === 'last-unlink';
    const after = gone ? c.before : await third.look(path);
    if (letter !== 'A' && !same(after, c.before))
      throw new Error(`refused, and changed: ${JSON.stringify([c.before, after])}`);
    if (letter === 'A' && !(await operation.done(after, { ...c, actor: third }, outcome)))
      throw new Error(`allowed, and not done: ${JSON.stringify([c.before, after, outcome])}`);
    if (id !== 0 && holder.eventsOf(id, 'recall').length > 0) throw new Error('recalled for nothing');
    if (id !== 0) await holder.must({ verb: 'return', id });
  }
  if (operation.build !== 'sealed' && operation.row !== 'seal' && !column.sealed) await third.outcome('unlink', path);
  return letter === 'Y' ? 'EBUSY' : letter;
}

/** The recall comes, the operation waits and nothing changes; the return lets it through. */
async function recalled(
  c: Context,
  operation: Operation,
  column: Column,
  id: number,
  holder: Actor,
  running: Promise<Outcome | Reply>,
): Promise<void> {
  const event = await holder.event(id, 'recall');
  if (!namesBreaker(event, operation, c.actor))
    throw new Error(`the recall names another breaker: ${JSON.stringify(event)}`);
  let over = false;
  void running.then(() => {
    over = true;
  });
  await sleep(5);
  const answered = over;
  if (operation.impatient) {
    const outcome = await within(20_000, `${operation.name} answers`, running);
    if (errnoOf(outcome) !== 'EAGAIN') throw new Error(`not EAGAIN: ${JSON.stringify(outcome)}`);
  } else if (answered) throw new Error(`did not wait: ${JSON.stringify(await running)}`);
  const during = await c.actor.do<number>('stat_size', c.path);
  if (during !== c.before.size) throw new Error('changed before the holder had returned');
  const target = event.target as string;
  if (column.get?.mode === 'rw' && target === 'layout ro')
    await holder.must({ verb: 'downgrade', id, kind: 'layout', mode: 'ro' });
  else await holder.must({ verb: 'return', id, seq: event.seq });
  const outcome = await within(
    20_000,
    `${operation.name} under ${column.name} goes on after the return`,
    operation.impatient ? operation.run(c) : running,
  );
  if (errnoOf(outcome) !== '') throw new Error(`failed after the return: ${JSON.stringify(outcome)}`);
  const after = await c.actor.look(c.path);
  if (!(await operation.done(after, c, outcome)))
    throw new Error(`not done after the return: ${JSON.stringify([c.before, after, outcome])}`);
  if (target === 'layout ro') await holder.must({ verb: 'return', id });
}

/** FUSE names the thread; writeback is the kernel's. */
function namesBreaker(event: Record<string, unknown>, operation: Operation, actor: Actor): boolean {
  const { pid, command } = event.breaker as { pid: number; command: string };
  if (operation.writeback) return pid === 0 && command === 'writeback';
  // The thread of a verb without patience may have ended.
  const isThread = operation.impatient || existsSync(`/proc/${actor.child.pid}/task/${pid}`);
  return isThread && command.startsWith('python');
}
