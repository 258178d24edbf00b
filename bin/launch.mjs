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
  const { main } = await import(fromSource ? source.href : new URL('../dist/cli/main.js', import.meta.url).href);
  // exitCode and not exit(): what was written to a pipe must get through.
  process.exitCode = await main(program, process.argv.slice(2));
}
