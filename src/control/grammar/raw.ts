/** A value as it was written, before its field says what it should be. `column` counts bytes from 1. */
export interface Raw {
  readonly column: number;
  /** Column of the name it was given to. */
  readonly name?: number;
  /** A string of bytes (latin1), a number, a boolean, null, a list or an object. */
  readonly value: string | number | boolean | null | readonly Raw[] | ReadonlyMap<string, Raw>;
}

/** What is wrong with a line, and where. Thrown inside the grammar only: parse.ts turns it into a result. */
export class Malformed extends Error {
  readonly column: number;

  constructor(column: number, message: string) {
    super(message);
    this.column = column;
  }
}
