-- Where the bytes are. All positions and lengths are in blocks.
CREATE TABLE extent (
  ino          INTEGER NOT NULL,
  file_block   INTEGER NOT NULL,
  device_block INTEGER NOT NULL,
  length       INTEGER NOT NULL CHECK (length > 0),
  -- 0 unwritten: reads as zeros. 1 written. 2 written, but the commit may be ahead of the data: after a
  -- crash of the host it counts as unwritten, after a crash of the daemon alone as written.
  state        INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
  PRIMARY KEY (ino, file_block)
) STRICT, WITHOUT ROWID;
CREATE INDEX extent_unsynced ON extent (ino, file_block) WHERE state = 2;

-- Free space: a bitmap a group of 32768 blocks, bit set = in use (by a file, the quarantine or the header).
-- A group without a row is wholly free.
CREATE TABLE space (
  number  INTEGER PRIMARY KEY,
  free    INTEGER NOT NULL,
  bitmap  BLOB    NOT NULL
) STRICT;

-- Device blocks that more than one file maps (reflink). Blocks not listed here have one owner or none.
CREATE TABLE shared (
  device_block INTEGER PRIMARY KEY,
  length       INTEGER NOT NULL CHECK (length > 0),
  count        INTEGER NOT NULL CHECK (count >= 2)
) STRICT;
