/*
 * The limit of FUSE itself: a server on libfuse3's low-level interface, in C, one thread, that serves one file
 * (`data`, kept in a backing file) and in memory the names that a benchmark makes and removes. It checks nothing,
 * stores nothing and shares nothing, so nobody who does the work of a filesystem can be expected to be faster.
 *
 *   onefile BACKING MOUNTPOINT
 *
 * Build: cc -O2 onefile.c $(pkg-config --cflags --libs fuse3) -o onefile
 */
#define FUSE_USE_VERSION 312
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA 2
#define FIRST 3
#define NODES 4096
/* Seconds: as long as the kernel lets it, as in a filesystem that is the only writer. */
#define FOREVER 86400.0

static int backing;
static char *names[NODES];
static mode_t modes[NODES];
static int next_node = FIRST;

static void attributes(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof *st);
	st->st_ino = ino;
	st->st_nlink = 1;
	if (ino == FUSE_ROOT_ID) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
	} else if (ino == DATA) {
		struct stat b;
		fstat(backing, &b);
		st->st_mode = S_IFREG | 0644;
		st->st_size = b.st_size;
		st->st_blocks = b.st_blocks;
	} else {
		st->st_mode = modes[ino % NODES];
	}
}

static int find(const char *name)
{
	if (!strcmp(name, "data")) return DATA;
	for (int i = FIRST; i < NODES; i++)
		if (names[i] && !strcmp(names[i], name)) return i;
	return 0;
}

static void entry(fuse_ino_t ino, struct fuse_entry_param *e)
{
	memset(e, 0, sizeof *e);
	e->ino = ino;
	e->attr_timeout = e->entry_timeout = FOREVER;
	if (ino) attributes(ino, &e->attr);
}

static int add(const char *name, mode_t mode)
{
	for (int tried = 0; tried < NODES; tried++) {
		int i = next_node++;
		if (next_node == NODES) next_node = FIRST;
		if (names[i]) continue;
		names[i] = strdup(name);
		modes[i] = mode;
		return i;
	}
	return 0;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e;
	int ino = parent == FUSE_ROOT_ID ? find(name) : 0;
	if (!ino) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	entry(ino, &e);
	fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;
	(void)fi;
	attributes(ino, &st);
	fuse_reply_attr(req, &st, FOREVER);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct stat st;
	(void)fi;
	if ((to_set & FUSE_SET_ATTR_SIZE) && ino == DATA && ftruncate(backing, attr->st_size) < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	attributes(ino, &st);
	fuse_reply_attr(req, &st, FOREVER);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	int ino = parent == FUSE_ROOT_ID ? find(name) : 0;
	if (!ino) ino = add(name, mode);
	if (!ino) {
		fuse_reply_err(req, ENOSPC);
		return;
	}
	entry(ino, &e);
	fi->keep_cache = 1;
	fuse_reply_create(req, &e, fi);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fuse_entry_param e;
	int ino = parent == FUSE_ROOT_ID ? add(name, S_IFDIR | mode) : 0;
	if (!ino) {
		fuse_reply_err(req, ENOSPC);
		return;
	}
	entry(ino, &e);
	fuse_reply_entry(req, &e);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	int ino = find(name);
	(void)parent;
	if (ino < FIRST) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	free(names[ino]);
	names[ino] = NULL;
	fuse_reply_err(req, 0);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname,
		      unsigned int flags)
{
	int ino = find(name), over = find(newname);
	(void)parent, (void)newparent, (void)flags;
	if (ino < FIRST) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	if (over >= FIRST) {
		free(names[over]);
		names[over] = NULL;
	}
	free(names[ino]);
	names[ino] = strdup(newname);
	fuse_reply_err(req, 0);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	static char buffer[1 << 20];
	(void)fi;
	ssize_t n = ino == DATA ? pread(backing, buffer, size < sizeof buffer ? size : sizeof buffer, off) : 0;
	if (n < 0) fuse_reply_err(req, errno);
	else fuse_reply_buf(req, buffer, n);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	ssize_t n = ino == DATA ? pwrite(backing, buf, size, off) : (ssize_t)size;
	if (n < 0) fuse_reply_err(req, errno);
	else fuse_reply_write(req, n);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino, (void)datasync, (void)fi;
	fuse_reply_err(req, fdatasync(backing) < 0 ? errno : 0);
}

static void op_init(void *user, struct fuse_conn_info *conn)
{
	(void)user;
	conn->max_write = 1 << 20;
	conn->max_readahead = 1 << 20;
	conn->want &= ~(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

static const struct fuse_lowlevel_ops operations = {
	.init = op_init, .lookup = op_lookup, .getattr = op_getattr, .setattr = op_setattr, .open = op_open,
	.create = op_create, .mkdir = op_mkdir, .unlink = op_unlink, .rmdir = op_unlink, .rename = op_rename,
	.read = op_read, .write = op_write, .fsync = op_fsync,
};

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "onefile BACKING MOUNTPOINT\n");
		return 2;
	}
	backing = open(argv[1], O_RDWR);
	if (backing < 0) {
		perror(argv[1]);
		return 1;
	}
	char *words[] = { argv[0], "-o", "fsname=onefile,allow_other,default_permissions", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, words);
	struct fuse_session *session = fuse_session_new(&args, &operations, sizeof operations, NULL);
	if (!session || fuse_set_signal_handlers(session) < 0 || fuse_session_mount(session, argv[2]) < 0) return 1;
	int result = fuse_session_loop(session);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	return result ? 1 : 0;
}
