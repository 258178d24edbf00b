import { Inode } from './inode.ts';
import type { Mutation, Query, Store, Value } from './store.ts';

const COLUMNS = [
  'ino',
  'mode',
  'uid',
  'gid',
  'nlink',
  'rdev',
  'size',
  'blocks',
  'flags',
  'xflags',
  'projid',
  'sealed',
  'gen',
  'parent',
  'next_cookie',
  'atime_s',
  'atime_ns',
  'mtime_s',
  'mtime_ns',
  'ctime_s',
  'ctime_ns',
  'btime_s',
  'btime_ns',
] as const;

/** Table `inode`: rows to objects and back. */
export class InodeRows {
  private readonly select: Query;
  private readonly replace: Mutation;
  private readonly erase: Mutation;

  constructor(store: Store) {
    const { database } = store;
    this.select = database.query(`SELECT ${COLUMNS.join(', ')} FROM inode WHERE ino = ?`).raw();
    this.replace = database.mutation(
      `INSERT OR REPLACE INTO inode (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`,
    );
    this.erase = database.mutation('DELETE FROM inode WHERE ino = ?');
  }

  read(ino: number): Inode | undefined {
    const row = this.select.get(ino) as number[] | undefined;
    if (row === undefined) return undefined;
    const inode = new Inode(ino);
    inode.stored = true;
    inode.mode = row[1];
    inode.uid = row[2];
    inode.gid = row[3];
    inode.nlink = row[4];
    inode.rdev = row[5];
    inode.size = row[6];
    inode.blocks = row[7];
    inode.flags = row[8];
    inode.xflags = row[9];
    inode.projid = row[10];
    inode.sealed = row[11];
    inode.gen = row[12];
    inode.parent = row[13];
    inode.nextCookie = row[14];
    inode.atimeS = row[15];
    inode.atimeNs = row[16];
    inode.mtimeS = row[17];
    inode.mtimeNs = row[18];
    inode.ctimeS = row[19];
    inode.ctimeNs = row[20];
    inode.btimeS = row[21];
    inode.btimeNs = row[22];
    return inode;
  }

  /** What changed since the last operation, `note` has told the redo log or will. */
  write(inode: Inode): void {
    this.replace.apply(...this.values(inode));
    inode.stored = true;
  }

  /** To the redo log only. */
  note(inode: Inode): void {
    this.replace.note(...this.values(inode));
  }

  delete(inode: Inode): void {
    if (inode.stored) this.erase.run(inode.ino);
    else this.erase.note(inode.ino);
  }

  private values(i: Inode): Value[] {
    return [
      i.ino,
      i.mode,
      i.uid,
      i.gid,
      i.nlink,
      i.rdev,
      i.size,
      i.blocks,
      i.flags,
      i.xflags,
      i.projid,
      i.sealed,
      i.gen,
      i.parent,
      i.nextCookie,
      i.atimeS,
      i.atimeNs,
      i.mtimeS,
      i.mtimeNs,
      i.ctimeS,
      i.ctimeNs,
      i.btimeS,
      i.btimeNs,
    ];
  }
}
