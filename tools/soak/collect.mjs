/**
 * Loaded into the daemon of `npm run soak:hour` by NODE_OPTIONS: collects garbage each half minute. V8 by itself leaves it in its old
 * generation for as long as an hour under this load, and what is resident then tells of garbage, not of what is kept.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

const EVERY_MS = 30_000;

if (isMainThread && process.argv[2] === 'mount') {
  setFlagsFromString('--expose-gc');
  setInterval(runInNewContext('gc'), EVERY_MS).unref();
}
