-- One row that says what this volume is. Every commit raises `sequence`, so that a commit is recognisable and the redo
-- log (NAME.img.meta-redo) can be matched to it.
--
-- About this schema: user_version is the major format version, application_id is 'lfs1' (0x6c667331). Reading a live
-- volume with sqlite3 is fine (open it read-only); what was done since the last commit, at most commit= seconds ago, is not
-- seen. There are no foreign keys: each would cost a lookup per insert on the hot path; fsck.layoutfs checks them all.
-- Changes of the schema go to migrations/NNN.sql, which leads from user_version NNN - 1 to NNN.
CREATE TABLE volume (
  id              INTEGER PRIMARY KEY CHECK (id = 1),
  uuid            TEXT    NOT NULL,              -- same as in the device header
  version         INTEGER NOT NULL,              -- format version, minor; the major one is user_version
  block_size      INTEGER NOT NULL CHECK (block_size BETWEEN 4096 AND 2097152),
  device_blocks   INTEGER NOT NULL,              -- length of the device, in blocks
  first_block     INTEGER NOT NULL,              -- first block that may hold file data (the header is before it)
  next_ino        INTEGER NOT NULL,              -- above every inode number in use; they are never used twice
  inodes          INTEGER NOT NULL DEFAULT 1,    -- rows of table inode: statfs does not count a million of them
  next_lease      INTEGER NOT NULL,              -- lease ids are never used twice
  sequence        INTEGER NOT NULL,              -- of the last commit
  epoch           INTEGER NOT NULL,              -- mounts so far (leases.md: epoch)
  clean           INTEGER NOT NULL CHECK (clean IN (0, 1)),
  boot_id         TEXT    NOT NULL,              -- boot of the host during the last mount: tells a dead daemon from a dead host
  features        TEXT    NOT NULL DEFAULT '[]', -- incompatible features, a JSON list of names
  created_s       INTEGER NOT NULL,
  label           TEXT    NOT NULL DEFAULT ''
) STRICT;
