import { LayoutError, type LayoutEvent, type ReplyOf, Session } from '../../src/client/index.ts';
import {
  type BlockExtent,
  EXTENT,
  type Failed,
  type IoMode,
  type Layout,
  NFS4,
  type Recall,
  type RecallAnswer,
  type Stateid,
} from './types.ts';

/** LAYOUTRETURN4_FSID and _ALL name no file: all layouts of the client. */
type Return = { type: 'FILE'; stateid: Stateid; offset: number; length: number } | { type: 'FSID' | 'ALL' };

/** How much longer a client gets that answers DELAY, seconds. */
const DELAY = 5;

/** An errno of a verb as the status of an operation. */
const STATUS: Record<string, Failed['status']> = {
  EACCES: NFS4.ACCESS,
  EPERM: NFS4.ACCESS,
  EAGAIN: NFS4.RECALLCONFLICT,
  EINVAL: NFS4.LAYOUTUNAVAILABLE,
  ENXIO: NFS4.LAYOUTUNAVAILABLE,
  ETXTBSY: NFS4.LAYOUTUNAVAILABLE,
  ENOLCK: NFS4.LAYOUTTRYLATER,
  EBUSY: NFS4.DELAY,
  ENOSPC: NFS4.NOSPC,
  ESTALE: NFS4.OLD_STATEID,
  ENOENT: NFS4.STALE,
};

/**
 * The layouts of one NFS client: a block layout server of pNFS, but for the network. Each operation is one of our verbs.
 *
 * | NFS | here |
 * |---|---|
 * | layout stateid | lease id and seq |
 * | LAYOUTGET | `get kind=layout`, `alloc` (RW), `map`: blocks and lease are durable before the answer |
 * | LAYOUTCOMMIT | `commit`: the size only grows |
 * | LAYOUTRETURN | `return`, of a range too |
 * | CB_LAYOUTRECALL | event `recall`; DELAY is `delay`, NOMATCHING_LAYOUT is `return` |
 * | the client's lease expires | the session is closed, or a recall's deadline fences |
 */
export class ClientLayouts {
  private readonly session: Session;
  private readonly held = new Map<number, Stateid>();
  private readonly recall: (recall: Recall) => Promise<RecallAnswer>;
  private readonly listening: Promise<void>;

  private constructor(session: Session, recall: (recall: Recall) => Promise<RecallAnswer>) {
    this.session = session;
    this.recall = recall;
    this.listening = this.listen();
  }

  /** `recall`: sends CB_LAYOUTRECALL to the client and gives its answer. */
  static async open(mount: string, recall: (recall: Recall) => Promise<RecallAnswer>): Promise<ClientLayouts> {
    return new ClientLayouts(await Session.open(mount), recall);
  }

  /** Bytes; `minLength`: less is of no use to the client. */
  async layoutGet(
    path: string,
    iomode: IoMode,
    range: { offset: number; length: number },
    minLength = range.length,
  ): Promise<Layout | Failed> {
    const rw = iomode === 'RW';
    try {
      const granted = await this.session.request('get', { path, kind: 'layout', mode: rw ? 'rw' : 'ro', ...range });
      const { id } = granted;
      try {
        if (rw) await this.session.request('alloc', { id, ...range, keep_size: true });
        const extents = await this.extents(id, range, rw);
        const length = extents.reduce((sum, extent) => sum + extent.length, 0);
        if (length < minLength) throw new Unavailable();
        const stateid = { other: id, seqid: granted.seq };
        this.held.set(id, stateid);
        return { status: NFS4.OK, stateid, iomode, offset: range.offset, length, extents };
      } catch (error) {
        await this.session.request('return', { id });
        throw error;
      }
    } catch (error) {
      return failed(error);
    }
  }

  /** `lastWrite`: offset of the last byte that the client wrote, which may make the file longer. */
  async layoutCommit(
    stateid: Stateid,
    range: { offset: number; length: number },
    lastWrite?: number,
  ): Promise<{ status: typeof NFS4.OK; size: number } | Failed> {
    try {
      const size = lastWrite === undefined ? undefined : lastWrite + 1;
      const ranges = [{ offset: range.offset, length: range.length }];
      const reply = await this.session.request('commit', { id: stateid.other, seq: stateid.seqid, ranges, size });
      return { status: NFS4.OK, size: reply.size };
    } catch (error) {
      return failed(error);
    }
  }

  async layoutReturn(back: Return): Promise<{ status: typeof NFS4.OK; stateid?: Stateid } | Failed> {
    try {
      if (back.type !== 'FILE') {
        for (const id of [...this.held.keys()]) await this.session.request('return', { id });
        this.held.clear();
        return { status: NFS4.OK };
      }
      const { stateid, offset, length } = back;
      const range = length === Number.POSITIVE_INFINITY ? { offset } : { offset, length };
      const reply = await this.session.request('return', { id: stateid.other, seq: stateid.seqid, ...range });
      if (reply.state === 'released') {
        this.held.delete(stateid.other);
        return { status: NFS4.OK };
      }
      const rest = { other: reply.id, seqid: reply.seq };
      this.held.set(rest.other, rest);
      return { status: NFS4.OK, stateid: rest };
    } catch (error) {
      return failed(error);
    }
  }

  /** The client is gone: all its layouts end. */
  async close(): Promise<void> {
    await this.session.close();
    await this.listening;
  }

  private async extents(id: number, range: { offset: number; length: number }, rw: boolean): Promise<BlockExtent[]> {
    const extents: BlockExtent[] = [];
    for (let offset: number | null = range.offset; offset !== null; ) {
      const length: number = range.offset + range.length - offset;
      const page: ReplyOf<'map'> = await this.session.request('map', { id, offset, length });
      for (const { offset: file, device, length, state } of page.extents) {
        // Two files must not be written through one block.
        if (rw && (state === 'shared' || device === null)) throw new Unavailable();
        extents.push({ device: page.device.uuid, file, length, storage: device ?? 0, state: stateOf(state, rw) });
      }
      offset = page.next;
    }
    return extents;
  }

  private async listen(): Promise<void> {
    for await (const event of this.session.events()) {
      if (event.event === 'recall') await this.recalled(event);
      else if (event.event === 'revoked' && event.lease !== undefined) this.held.delete(event.lease);
    }
  }

  private async recalled(event: LayoutEvent): Promise<void> {
    const { lease: id = 0, seq = 0, offset = 0, length } = event;
    const stateid = { other: id, seqid: seq };
    this.held.set(id, stateid);
    const iomode = event.target === 'none' ? 'ANY' : 'RW';
    const answer = await this.recall({
      stateid,
      iomode,
      offset,
      length: length ?? Number.POSITIVE_INFINITY,
      changed: event.reason === 'device',
    });
    try {
      if (answer === NFS4.DELAY) await this.session.request('delay', { id, seq, for: DELAY });
      else if (answer === NFS4.NOMATCHING_LAYOUT)
        await this.layoutReturn({ type: 'FILE', stateid, offset: 0, length: Number.POSITIVE_INFINITY });
    } catch (error) {
      // No more time is given: the deadline will tell.
      failed(error);
    }
  }
}

class Unavailable extends Error {}

function stateOf(state: string, rw: boolean): BlockExtent['state'] {
  if (state === 'written' || state === 'shared') return rw ? EXTENT.READWRITE_DATA : EXTENT.READ_DATA;
  return state === 'unwritten' && rw ? EXTENT.INVALID_DATA : EXTENT.NONE_DATA;
}

/** @throws what is no refusal. */
function failed(error: unknown): Failed {
  if (error instanceof Unavailable) return { status: NFS4.LAYOUTUNAVAILABLE };
  if (!(error instanceof LayoutError)) throw error;
  return { status: STATUS[error.code] ?? NFS4.IO };
}
