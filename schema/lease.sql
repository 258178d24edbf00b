-- Leases and what they leave behind. Offsets and lengths are bytes of the file; length -1 is "to any end".
CREATE TABLE lease (
  id             INTEGER PRIMARY KEY,
  ino            INTEGER NOT NULL,
  path           BLOB    NOT NULL,               -- as asked for, to explain; not kept up to date by rename
  kind           TEXT    NOT NULL,
  mode           TEXT    NOT NULL,
  offset         INTEGER NOT NULL,
  length         INTEGER NOT NULL,
  state          TEXT    NOT NULL,
  seq            INTEGER NOT NULL,
  parent         INTEGER,                        -- of a sub-lease
  bind           TEXT    NOT NULL,
  uid            INTEGER NOT NULL,
  pid            INTEGER NOT NULL,
  pid_start      INTEGER NOT NULL,               -- start time of the process, clock ticks since boot (proc(5) stat field 22)
  command        TEXT    NOT NULL,
  name           TEXT,                           -- bind=named
  secret         BLOB,                           -- SHA-256 of the secret, bind=named
  options        TEXT    NOT NULL,               -- JSON: the rest of the options
  epoch          INTEGER NOT NULL,               -- of the mount that granted it
  granted_s      REAL    NOT NULL,               -- wall clock, to show
  ended_s        REAL,                           -- wall clock, of a tombstone
  raw            INTEGER NOT NULL DEFAULT 0      -- 1: its device extents were told to the holder (map, device window)
) STRICT;
CREATE INDEX lease_by_ino ON lease (ino);

CREATE TABLE quarantine (
  device_block INTEGER PRIMARY KEY,
  length       INTEGER NOT NULL CHECK (length > 0),
  lease        INTEGER NOT NULL,
  ino          INTEGER NOT NULL,
  epoch        INTEGER NOT NULL,
  reason       TEXT    NOT NULL,
  since_s      REAL    NOT NULL
) STRICT;

CREATE TABLE fence_attempt (
  id      INTEGER PRIMARY KEY,
  lease   INTEGER NOT NULL,
  at_s    REAL    NOT NULL,
  method  TEXT    NOT NULL,
  result  TEXT    NOT NULL
) STRICT;

CREATE TABLE audit (
  id      INTEGER PRIMARY KEY,
  at_s    REAL    NOT NULL,
  uid     INTEGER NOT NULL,
  pid     INTEGER NOT NULL,
  verb    TEXT    NOT NULL,
  lease   INTEGER,
  detail  TEXT    NOT NULL
) STRICT;
