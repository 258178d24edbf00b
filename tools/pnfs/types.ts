/** Words of RFC 8881 (NFS 4.1) and RFC 5663 (block layout), as far as they are about layouts. */

export const NFS4 = {
  OK: 0,
  ACCESS: 13,
  INVAL: 22,
  NOSPC: 28,
  STALE: 70,
  DELAY: 10008,
  OLD_STATEID: 10024,
  BAD_STATEID: 10025,
  IO: 5,
  LAYOUTTRYLATER: 10058,
  LAYOUTUNAVAILABLE: 10059,
  NOMATCHING_LAYOUT: 10060,
  RECALLCONFLICT: 10061,
} as const;

export type Status = (typeof NFS4)[keyof typeof NFS4];
export type IoMode = 'READ' | 'RW';

/** pnfs_block_extent_state4. */
export const EXTENT = { READWRITE_DATA: 0, READ_DATA: 1, INVALID_DATA: 2, NONE_DATA: 3 } as const;

/** pnfs_block_extent4: bytes; `storage` counts on the device, and means nothing for NONE_DATA. */
export interface BlockExtent {
  device: string;
  file: number;
  length: number;
  storage: number;
  state: (typeof EXTENT)[keyof typeof EXTENT];
}

/** Here a lease and its seq, which is what a layout stateid is. */
export interface Stateid {
  other: number;
  seqid: number;
}

export interface Layout {
  status: typeof NFS4.OK;
  stateid: Stateid;
  iomode: IoMode;
  offset: number;
  length: number;
  extents: BlockExtent[];
}

export interface Failed {
  status: Exclude<Status, typeof NFS4.OK>;
}

/** CB_LAYOUTRECALL of a file; `changed`: the client need not flush through the layout, what it has is revoked. */
export interface Recall {
  stateid: Stateid;
  iomode: IoMode | 'ANY';
  offset: number;
  length: number;
  changed: boolean;
}

/** What a client answers to CB_LAYOUTRECALL. OK: a LAYOUTRETURN follows. */
export type RecallAnswer = typeof NFS4.OK | typeof NFS4.DELAY | typeof NFS4.NOMATCHING_LAYOUT;
