/** What is known in memory of one name of a directory. */
export interface KnownName {
  readonly parent: number;
  /** A character for each byte. */
  readonly name: string;
  /** 0: there is no such name. */
  ino: number;
  /** DT_*. */
  type: number;
  /** -1: that of its row. */
  cookie: number;
  /** Whether the table has a row of that name, be it out of date. */
  stored: boolean;
  /** Newer than the table. Kept by `Dentries`. */
  dirty: boolean;
}

interface Directory {
  readonly names: Map<string, KnownName>;
  /** Names that are not among `names` do not exist. */
  whole: boolean;
}

/** Most names in memory. About 200 bytes each. */
export const CAPACITY = 8192;

/**
 * Names that were changed lately, or asked for and not found. Of a directory that got its first name lately all names are
 * known. When there are too many, all are forgotten: the next ones to be asked for are mostly others.
 */
export class KnownNames {
  private readonly directories = new Map<number, Directory>();
  private count = 0;
  private readonly write: () => void;

  /** `write` puts what is dirty into the table. */
  constructor(write: () => void) {
    this.write = write;
  }

  get size(): number {
    return this.count;
  }

  get(parent: number, name: string): KnownName | undefined {
    return this.directories.get(parent)?.names.get(name);
  }

  /** Whether all names of a directory are known. */
  isWhole(parent: number): boolean {
    return this.directories.get(parent)?.whole === true;
  }

  /** A directory that never had a name. */
  addWhole(parent: number): void {
    this.directory(parent).whole = true;
  }

  /** A name not known yet: `stored` in the table with whatever it means there, or not there at all. */
  add(parent: number, name: string, stored: boolean): KnownName {
    const { names } = this.directory(parent);
    const known: KnownName = { parent, name, ino: 0, type: 0, cookie: -1, stored, dirty: false };
    names.set(name, known);
    this.count++;
    return known;
  }

  clear(): void {
    this.directories.clear();
    this.count = 0;
  }

  private directory(parent: number): Directory {
    let directory = this.directories.get(parent);
    if (directory !== undefined && this.count < CAPACITY) return directory;
    if (this.count + this.directories.size >= CAPACITY) {
      this.write();
      this.clear();
      directory = undefined;
    }
    if (directory === undefined) {
      directory = { names: new Map(), whole: false };
      this.directories.set(parent, directory);
    }
    return directory;
  }
}
