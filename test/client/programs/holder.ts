/** Uses the client as a program would: `holder.ts MOUNT device|guarded|any`. Prints one JSON line with what it saw. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LayoutError, Session } from '../../../src/client/index.ts';

const [mount = '', window = 'device'] = process.argv.slice(2);
const seen: Record<string, unknown> = {};

{
  await using session = await Session.open(mount);
  await session.request('get', { path: '/hole' }).catch((error: LayoutError) => {
    seen.refusal = { isLayoutError: error instanceof LayoutError, code: error.code, hint: error.refusal.hint };
  });
  const prepared = await session.request('prepare', { path: '/hole' });
  seen.prepared = prepared.changed;
  const lease = await session.get({ path: '/hole', kind: 'direct' });
  const extents = await lease.extents();
  seen.extents = extents.map(({ offset, length, state }) => ({ offset, length, state }));

  const mapping = await lease.map(window === 'any' ? {} : { window: window as 'device' | 'guarded' });
  seen.window = mapping.window;
  seen.mapped = mapping.buffer.byteLength;
  const bytes = new Uint8Array(mapping.buffer);
  bytes.set(Buffer.from('stored by a mapping'), 4096);
  await lease.commit({ offset: 4096, length: 4096 });
  seen.read = readFileSync(join(mount, 'hole')).toString('utf8', 4096, 4096 + 19);

  // Many requests at once find their own replies.
  const answers = await Promise.all(Array.from({ length: 20 }, () => session.request('why', { path: '/hole' })));
  seen.answers = new Set(answers.map(({ answer }) => answer)).size;

  process.stdout.write('ready\n');
  for await (const event of session.events()) {
    if (event.event !== 'recall') continue;
    seen.recall = { lease: event.lease === lease.id, reason: event.reason, path: String(event.path) };
    break;
  }
  mapping.close();
  // What still refers to the memory reads zeros, and reaches no block of the file.
  seen.late = bytes[4096];
  bytes.fill(9);
  const { leases } = await session.request('ls', { path: '/hole' });
  seen.listed = leases.map(({ state, path }) => `${state} ${path}`);
  await lease.return();
  seen.state = lease.state;
  seen.kept = readFileSync(join(mount, 'hole')).every((byte) => byte !== 9);
  await using second = await session.get({ path: '/hole', kind: 'layout' });
  seen.second = second.isHeld;
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
