-- Open files of the hidden directory, so that a daemon that takes a mount over goes on with them. Empty after an
-- ordinary mount; tables of older volumes lack them until their next mount.
CREATE TABLE IF NOT EXISTS control_handle (
  handle INTEGER PRIMARY KEY,
  state  TEXT NOT NULL                           -- JSON (src/control/journal.ts)
) STRICT;

-- Replies and events that a session, or a reader of `events`, has not read yet.
CREATE TABLE IF NOT EXISTS control_line (
  handle INTEGER NOT NULL,
  seq    REAL    NOT NULL,                       -- order; a line that stands for lost ones is between two others
  events INTEGER NOT NULL,                       -- how many events the line stands for; 0: a reply
  bytes  BLOB    NOT NULL,
  PRIMARY KEY (handle, seq)
) STRICT, WITHOUT ROWID;
