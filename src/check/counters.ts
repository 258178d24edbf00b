import type { Check } from './context.ts';
import { S_IFDIR, TYPE } from './modes.ts';

/** What the volume's row counts. The last check, as repairs of others make and remove rows. */
export const counters: Check = {
  name: 'counters',
  run(context) {
    const { totals } = context.report;
    totals.inodes = context.value('SELECT count(*) FROM inode') ?? 0;
    totals.directories = context.value(`SELECT count(*) FROM inode WHERE ${TYPE('mode')} = ${S_IFDIR}`) ?? 0;
    const counted = context.value('SELECT inodes FROM volume') ?? 0;
    if (counted !== totals.inodes) {
      const message = `the volume counts ${counted} inodes, there are ${totals.inodes}`;
      context.found({ code: 'inode-count', safe: true, message }, () =>
        context.run('UPDATE volume SET inodes = ?', totals.inodes),
      );
    }
    const used = Math.max(
      context.value('SELECT max(id) FROM lease') ?? 0,
      context.value('SELECT max(lease) FROM quarantine') ?? 0,
    );
    const next = context.value('SELECT next_lease FROM volume') ?? 0;
    if (next <= used) {
      context.found(
        { code: 'next-lease', safe: true, message: `next_lease is ${next}, lease ${used} is or was there` },
        () => context.run('UPDATE volume SET next_lease = ?', used + 1),
      );
    }
  },
};
