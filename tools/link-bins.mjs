/**
 * Run by npm after `npm ci` in a checkout: puts the project's own programs into node_modules/.bin, so that
 * `npx layoutfs …` finds them there at once instead of installing the checkout into its cache first.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bins = join(root, 'node_modules', '.bin');
if (existsSync(join(root, 'node_modules'))) {
  mkdirSync(bins, { recursive: true });
  for (const [name, path] of Object.entries(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).bin)) {
    rmSync(join(bins, name), { force: true });
    symlinkSync(relative(bins, join(root, path)), join(bins, name));
    chmodSync(join(root, path), 0o755);
  }
}
