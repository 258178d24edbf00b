/**
 * Names of the operation matrix's rows (leases.md section 5). Where one row of the document decides by a fact of the
 * change ("in place", "it allocates", "nothing to do", "by commit"), each case has a name of its own and the same number.
 */
export const ROW_NUMBERS = {
  read: 1,
  'write-in-place': 2,
  'write-unwritten': 3,
  'write-hole': 4,
  'write-append': 5,
  'extend-preallocated': 6,
  commit: 6,
  shrink: 7,
  grow: 8,
  fallocate: 9,
  punch: 10,
  'zero-in-place': 11,
  zero: 11,
  'collapse-insert': 12,
  prepare: 13,
  'prepare-nothing': 13,
  'clone-source': 14,
  'clone-destination': 15,
  'clone-destination-allocating': 15,
  'copy-source': 16,
  name: 17,
  'last-unlink': 18,
  attributes: 19,
  fsync: 20,
  open: 21,
  relocate: 22,
  drain: 23,
  'extent-query': 24,
  seal: 25,
  unseal: 26,
  unmount: 27,
  'device-lost': 28,
} as const;

export type RowName = keyof typeof ROW_NUMBERS;
export const ROW_NAMES = Object.keys(ROW_NUMBERS) as RowName[];
