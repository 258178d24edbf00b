import { existsSync } from 'node:fs';
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
    const { register } = await import('tsx/esm/api').catch(() => {
      process.stderr.write(`${program}: its packages are not installed: run npm ci in the checkout\n`);
      process.exit(1);
    });
    register();
  }
  const part = (name) =>
    import(new URL(fromSource ? `../src/cli/${name}.ts` : `../dist/cli/${name}.js`, import.meta.url).href);
  const [{ main }, { rawArguments }] = await Promise.all([part('main'), part('raw-arguments')]);
  // exitCode and not exit(): what was written to a pipe must get through.
  process.exitCode = await main(program, rawArguments());
}
