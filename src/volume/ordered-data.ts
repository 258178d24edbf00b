/** Data that must be on the device before the open transaction commits. Marks are counts of changes of the device. */
export class OrderedData {
  /** The open transaction has such data. */
  any = false;
  /** A sync of the device has run on behalf of the open transaction. */
  tried = false;
  /** The device must be synced up to `mark`; `open`: up to wherever it is by now. */
  private open = false;
  private mark = 0;

  /** The running operation writes such data, up to its end. */
  add(): void {
    this.any = true;
    this.open = true;
  }

  /** The operation has ended, or a sync begins: all of it is among the first `written` changes. */
  close(written: number): void {
    if (!this.open) return;
    this.open = false;
    this.mark = written;
  }

  /** Whether a sync of the first `synced` changes does not cover all of it. */
  isUnsynced(synced: number): boolean {
    return this.any && (this.open || this.mark > synced);
  }

  /** The transaction is committed. */
  committed(): void {
    this.any = false;
    this.tried = false;
  }
}
