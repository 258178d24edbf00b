import { closeSync, existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Starts the program: from src/ in a checkout, through tsx; from dist/ in an installed package, which has no src/.
 * A checkout never runs a dist/ that somebody built earlier and has changed the source since.
 */
export async function launch(program) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    process.stderr.write(`${program}: needs Node.js 20.19 or newer, this is ${process.versions.node}\n`);
    process.exit(1);
  }
  const source = new URL('../src/cli/main.ts', import.meta.url);
  const fromSource = existsSync(fileURLToPath(source));
  if (fromSource) {
    await atRoot(async () => {
      const { register } = await import('tsx/esm/api').catch(() => {
        process.stderr.write(`${program}: its packages are not installed: run npm ci in the checkout\n`);
        process.exit(1);
      });
      register();
    });
  }
  const part = (name) =>
    import(new URL(fromSource ? `../src/cli/${name}.ts` : `../dist/cli/${name}.js`, import.meta.url).href);
  const [{ main }, { rawArguments }] = await Promise.all([part('main'), part('raw-arguments')]);
  // exitCode and not exit(): what was written to a pipe must get through.
  process.exitCode = await main(program, rawArguments());
}

/**
 * The compiler behind tsx runs in a process of its own, in the directory that has the *name* of the current one when it is
 * loaded: where a mount has come to lie on that name, it would keep the mount busy, and `umount` would fail by its own
 * doing. So it is loaded with / as the current directory; the way back is by descriptor, not by name.
 */
async function atRoot(work) {
  let here;
  try {
    here = openSync('.', 'r');
  } catch {
    return work(); // a directory that we may not read: it stays as it is
  }
  process.chdir('/');
  try {
    await work();
  } finally {
    process.chdir(`/proc/self/fd/${here}`);
    closeSync(here);
  }
}
