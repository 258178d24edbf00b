/** Child of volume.test.ts: allocates and frees, one operation a line, until it is killed. */
import { writeSync } from 'node:fs';
import { BlockMap } from '../../src/blockmap/blockmap.ts';
import { Space } from '../../src/blockmap/space.ts';
import { addressOf } from '../../src/system/libc.ts';
import { Volume } from '../../src/volume/volume.ts';
import { inodeOf } from './stand-in.ts';

const volume = Volume.open(process.argv[2], { commitInterval: 50 });
const space = new Space(volume);
const map = new BlockMap({ ...volume, space, touch: () => {} });
const data = Buffer.alloc(8192, 7);
const [growing, changing] = [inodeOf(5), inodeOf(6)];

let n = 0;
function burst(): void {
  for (let i = 0; i < 40; i++, n++) {
    if (growing.size < 4096 * 2000) {
      map.write(growing, growing.size, 4096, addressOf(data));
      growing.size += 4096;
    }
    volume.commits.operationEnd();
    const at = ((n * 7919) % 500) * 4096;
    if (n % 3 === 2) map.punch(changing, at, 40_960);
    else map.write(changing, at, 8192, addressOf(data));
    changing.size = Math.max(changing.size, at + 8192);
    volume.commits.operationEnd();
    writeSync(1, '.\n');
  }
  setImmediate(burst);
}

burst();
