import { type MountedVolume, until } from '../harness/index.ts';

/** SIGKILL to the daemon; comes back when another one serves. Gives the pause in ms as the supervisor saw it. */
export async function killDaemon(mounted: MountedVolume): Promise<number> {
  const before = mounted.daemonPid;
  process.kill(before, 'SIGKILL');
  await until('another daemon serves', 60_000, () => mounted.daemonPid !== before);
  return Number([...mounted.messages().matchAll(/it stood still for (\d+) ms/g)].at(-1)?.[1]);
}

/** Comes back when the next daemon has its program loaded. */
export async function standBy(mounted: MountedVolume): Promise<void> {
  await until('a spare daemon stands by', 60_000, () => {
    const said = mounted.messages();
    return said.lastIndexOf(' stands by') > said.lastIndexOf(' has taken the mount over');
  });
}
