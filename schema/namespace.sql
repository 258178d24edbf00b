-- Files and names. Times are (seconds, nanoseconds); names and targets are bytes.
CREATE TABLE inode (
  ino         INTEGER PRIMARY KEY,
  mode        INTEGER NOT NULL,                  -- S_IFMT and permission bits, as st_mode
  uid         INTEGER NOT NULL,
  gid         INTEGER NOT NULL,
  nlink       INTEGER NOT NULL CHECK (nlink >= 0),
  rdev        INTEGER NOT NULL DEFAULT 0,        -- in the kernel's 32-bit encoding (FUSE)
  size        INTEGER NOT NULL CHECK (size >= 0),-- bytes
  blocks      INTEGER NOT NULL CHECK (blocks >= 0), -- device blocks allocated to the file (shared ones count in every file)
  flags       INTEGER NOT NULL DEFAULT 0,        -- FS_*_FL of <linux/fs.h>
  xflags      INTEGER NOT NULL DEFAULT 0,        -- FS_XFLAG_* bits with no FS_*_FL twin
  projid      INTEGER NOT NULL DEFAULT 0,
  sealed      INTEGER NOT NULL DEFAULT 0,        -- 0 no, 1 sealed, 2 sealed with unwritten extents
  gen         INTEGER NOT NULL DEFAULT 0,        -- generation of the block map (leases.md)
  parent      INTEGER NOT NULL DEFAULT 0,        -- of a directory: the ino of '..'; else 0
  next_cookie INTEGER NOT NULL DEFAULT 0,        -- of a directory: cookie of its next entry
  atime_s INTEGER NOT NULL, atime_ns INTEGER NOT NULL,
  mtime_s INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  ctime_s INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
  btime_s INTEGER NOT NULL, btime_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE dentry (
  parent  INTEGER NOT NULL,
  name    BLOB    NOT NULL,
  cookie  INTEGER NOT NULL,                      -- rises with every entry of the directory: the readdir position
  ino     INTEGER NOT NULL,
  type    INTEGER NOT NULL,                      -- DT_* of <dirent.h>
  PRIMARY KEY (parent, name)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX dentry_by_cookie ON dentry (parent, cookie, ino, type);

CREATE TABLE symlink (
  ino     INTEGER PRIMARY KEY,
  target  BLOB NOT NULL
) STRICT;

CREATE TABLE xattr (
  ino     INTEGER NOT NULL,
  name    BLOB    NOT NULL,
  value   BLOB    NOT NULL,
  PRIMARY KEY (ino, name)
) STRICT, WITHOUT ROWID;

-- Inodes without a name that somebody still has open, or that a lease still covers.
CREATE TABLE orphan (
  ino     INTEGER PRIMARY KEY
) STRICT;
