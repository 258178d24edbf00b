/**
 * All the set-up that `npm start` and `npm test` need on a fresh machine; nothing is done twice.
 *
 *   node tools/setup.mjs          the npm packages, with their native parts
 *   node tools/setup.mjs --test   also the Debian packages that the tests use, where apt-get and root are there
 *
 * Uses nothing but Node itself: it runs before there is a node_modules.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const say = (text) => process.stdout.write(`setup: ${text}\n`);

function fail(text) {
  process.stderr.write(`setup: ${text}\n`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options });
  return result.status === 0;
}

function has(tool) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

// --- npm packages -----------------------------------------------------------------------------------------------

/** What is installed differs from the lock file. npm keeps a copy of the lock of what it installed. */
function stale() {
  const read = (path) => {
    try {
      return JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
    } catch {
      return undefined;
    }
  };
  const wanted = read('package-lock.json');
  const installed = read('node_modules/.package-lock.json');
  if (wanted === undefined) fail('package-lock.json can not be read');
  if (installed === undefined) return true;
  return Object.entries(wanted).some(([path, entry]) => {
    if (path === '' || (entry.optional && installed[path] === undefined)) return false;
    return installed[path]?.version !== entry.version || !existsSync(join(root, path));
  });
}

/** node-gyp fetches Node's headers from nodejs.org; where they lie beside the program already, it need not. */
function buildEnvironment() {
  const prefix = dirname(dirname(process.execPath));
  const header = join(prefix, 'include', 'node', 'node_version.h');
  const env = { ...process.env };
  if (env.npm_config_nodedir === undefined && existsSync(header)) {
    const text = readFileSync(header, 'utf8');
    const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1];
    if (['MAJOR', 'MINOR', 'PATCH'].map(part).join('.') === process.versions.node) env.npm_config_nodedir = prefix;
  }
  return env;
}

/** The native parts load in this Node: an empty answer, or the names of the packages that do not. */
function brokenNatives() {
  const probes = {
    'better-sqlite3': "new (require('better-sqlite3'))(':memory:').prepare('select 1').get()",
    koffi: "require('koffi').load(null)",
    esbuild: "require('esbuild').transformSync('let a: number', { loader: 'ts' })",
  };
  return Object.keys(probes).filter(
    (name) => spawnSync(process.execPath, ['-e', probes[name]], { cwd: root, stdio: 'ignore' }).status !== 0,
  );
}

function installPackages() {
  const env = buildEnvironment();
  if (stale()) {
    say('npm ci (a native package may be compiled: about a minute) …');
    const ci = () => run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], { env });
    if (!ci()) {
      say('npm ci failed; once more …');
      if (!ci()) fail('npm ci failed');
    }
  }
  let broken = brokenNatives();
  if (broken.length === 0) return;
  if (!has('c++') || !has('make') || !has('python3')) debianPackages(['build-essential', 'python3']);
  say(`building ${broken.join(', ')} …`);
  run('npm', ['rebuild', ...broken, '--foreground-scripts'], { env });
  broken = brokenNatives();
  if (broken.length > 0) {
    fail(`these packages do not load: ${broken.join(', ')}. They need a C++ compiler, make and python3 to be built.`);
  }
}

// --- Debian packages, for the tests -----------------------------------------------------------------------------

/** Which package brings a tool that tests use. Where one is missing, its tests are skipped by name. */
const TOOLS = {
  rsync: 'rsync',
  git: 'git',
  sqlite3: 'sqlite3',
  fio: 'fio',
  getfattr: 'attr',
  getfacl: 'acl',
  cc: 'build-essential',
  python3: 'python3',
  ip: 'iproute2',
  nbdkit: 'nbdkit',
  nbdfuse: 'libnbd-bin',
  zsh: 'zsh',
  fish: 'fish',
  man: 'man-db',
  fusermount3: 'fuse3',
};

/** Which package brings a shared library that tests use. */
const LIBRARIES = { 'libfuse.so.2': 'libfuse2' };

/** Somewhere in the folders of the loader, those of an architecture (`x86_64-linux-gnu`) included. */
function hasLibrary(name) {
  const roots = ['/usr/local/lib', '/lib', '/usr/lib', '/lib64', '/usr/lib64'].filter((root) => existsSync(root));
  const folders = roots.flatMap((root) => [
    root,
    ...readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name.includes('-linux-'))
      .map((entry) => join(root, entry.name)),
  ]);
  return folders.some((folder) => existsSync(join(folder, name)));
}

function debianPackages(names) {
  if (!has('apt-get')) return say(`no apt-get here: tests that need ${names.join(', ')} will be skipped`);
  if (process.getuid() !== 0) return say(`not root: not installing ${names.join(', ')}`);
  say(`apt-get install ${names.join(' ')} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) =>
    run('apt-get', ['-q', '-y', '-o', 'Acquire::http::Timeout=30', '-o', 'Acquire::Retries=2', ...args], {
      env,
      timeout: 300_000,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  const install = (...which) => apt('install', '--no-install-recommends', ...which);
  let failed = names;
  // One that this release does not have must not keep the others away.
  if (apt('update')) failed = install(...names) ? [] : names.filter((name) => names.length === 1 || !install(name));
  if (failed.length > 0) say(`apt-get failed: tests that need ${failed.join(', ')} will be skipped`);
}

function installTools() {
  const missing = [
    ...Object.entries(TOOLS).filter(([tool]) => !has(tool)),
    ...Object.entries(LIBRARIES).filter(([library]) => !hasLibrary(library)),
  ];
  if (missing.length > 0) debianPackages([...new Set(missing.map(([, name]) => name))]);
  // The largest by far, and by itself: its failure must not cost the others.
  if (!['chromium', 'chromium-browser', 'google-chrome'].some(has)) debianPackages(['chromium']);
}

if (process.platform !== 'linux') fail('layoutfs runs on Linux only');
installPackages();
if (process.argv.includes('--test')) installTools();
