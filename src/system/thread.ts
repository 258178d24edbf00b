import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** Young generation of a thread, MiB; V8's 48 are more than everything else that one of ours has. */
const YOUNG_MIB = 3;

/**
 * Starts a thread on a module, named by its URL without an ending. It does not keep the process alive.
 *
 * In a checkout the source is loaded by tsx. Its module hooks cannot be had in a thread alone (they belong to the main
 * thread, and a test runner has others there), those of `require` can.
 */
export function startThread(module: URL, workerData?: unknown): Worker {
  if (!import.meta.url.endsWith('.ts')) return startScript(new URL(`${module.href}.js`), workerData);
  const { resolve } = createRequire(import.meta.url);
  const load = [resolve('tsx/cjs'), `${fileURLToPath(module)}.ts`].map((file) => `require(${JSON.stringify(file)});`);
  return start(load.join('\n'), { eval: true, workerData });
}

/** Starts a thread on a file of JavaScript. It does not keep the process alive. */
export function startScript(file: URL, workerData?: unknown): Worker {
  return start(file, { workerData });
}

function start(program: string | URL, options: WorkerOptions): Worker {
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MIB };
  const worker = new Worker(program, { execArgv: [], resourceLimits, ...options });
  worker.unref();
  return worker;
}
