import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

/**
 * Starts a thread on a module, named by its URL without an ending. It does not keep the process alive.
 *
 * In a checkout the source is loaded by tsx. Its module hooks cannot be had in a thread alone (they belong to the main
 * thread, and a test runner has others there), those of `require` can.
 */
export function startThread(module: URL, workerData?: unknown): Worker {
  const worker = import.meta.url.endsWith('.ts') ? fromSource(module, workerData) : compiled(module, workerData);
  worker.unref();
  return worker;
}

function compiled(module: URL, workerData: unknown): Worker {
  return new Worker(new URL(`${module.href}.js`), { workerData, execArgv: [] });
}

function fromSource(module: URL, workerData: unknown): Worker {
  const { resolve } = createRequire(import.meta.url);
  const load = [resolve('tsx/cjs'), `${fileURLToPath(module)}.ts`].map((file) => `require(${JSON.stringify(file)});`);
  return new Worker(load.join('\n'), { eval: true, workerData, execArgv: [] });
}
