/* Modes of load.c on the data of a file: read(2), write(2) and fsync(2). */
#define _GNU_SOURCE
#include <sys/stat.h>
#include "load.h"

static void open_data(struct task *t, int flags)
{
	t->fd = open(opt.path, flags);
	if (t->fd < 0) die("open");
	struct stat s;
	if (fstat(t->fd, &s) < 0) die("fstat");
	t->length = S_ISREG(s.st_mode) && s.st_size < opt.size ? s.st_size : opt.size;
	if (posix_memalign((void **)&t->buffer, PAGE, MIB)) die("memory");
	memset(t->buffer, 0x5a + t->index, MIB);
	t->cursor = t->length / opt.threads / MIB * MIB * t->index;
}

static void open_direct(struct task *t) { open_data(t, O_RDWR | O_DIRECT); }
void open_cached(struct task *t) { open_data(t, O_RDWR); }

static int step_read4k(struct task *t)
{
	for (int i = 0; i < 8; i++)
		if (pread(t->fd, t->buffer, PAGE, random_page(t)) != PAGE) die("pread");
	t->operations += 8;
	t->bytes += 8 * PAGE;
	return 1;
}

static int step_write4k(struct task *t)
{
	for (int i = 0; i < 8; i++)
		if (pwrite(t->fd, t->buffer, PAGE, random_page(t)) != PAGE) die("pwrite");
	t->operations += 8;
	t->bytes += 8 * PAGE;
	return 1;
}

static int step_read1m(struct task *t)
{
	if (t->cursor + MIB > t->length) t->cursor = 0;
	if (pread(t->fd, t->buffer, MIB, t->cursor) != MIB) die("pread");
	t->cursor += MIB;
	t->operations++;
	t->bytes += MIB;
	return 1;
}

static int step_write1m(struct task *t)
{
	if (t->cursor + MIB > t->length) t->cursor = 0;
	if (pwrite(t->fd, t->buffer, MIB, t->cursor) != MIB) die("pwrite");
	t->cursor += MIB;
	t->operations++;
	t->bytes += MIB;
	return 1;
}

static int step_read1m_once(struct task *t)
{
	if (t->cursor + MIB > t->length) return 0;
	return step_read1m(t);
}

static int step_write1m_once(struct task *t)
{
	if (t->cursor + MIB > t->length) return 0;
	return step_write1m(t);
}

static void finish_fsync(struct task *t)
{
	if (fsync(t->fd) < 0) die("fsync");
	close(t->fd);
}

static void open_append(struct task *t)
{
	own_name(t);
	t->fd = open(t->name, O_CREAT | O_WRONLY | O_APPEND, 0644);
	if (t->fd < 0) die("create");
	t->buffer = calloc(1, PAGE);
}

static int step_append(struct task *t)
{
	if (write(t->fd, t->buffer, PAGE) != PAGE) die("write");
	if (fsync(t->fd) < 0) die("fsync");
	t->operations++;
	t->bytes += PAGE;
	return 1;
}

static void close_append(struct task *t)
{
	close(t->fd);
	unlink(t->name);
}

static void close_data(struct task *t)
{
	close(t->fd);
}

/* Writes the data file: every block allocated and written. */
static void prepare(struct task *t)
{
	t->fd = open(opt.path, O_CREAT | O_RDWR, 0644);
	if (t->fd < 0) die("create");
	close(t->fd);
	open_cached(t);
	t->length = opt.size;
	t->cursor = 0;
}

const struct mode data_modes[] = {
	{ "prepare", .setup = prepare, .step = step_write1m_once, .finish = finish_fsync, .finish_counts = 1, .whole = 1 },
	{ "read-4k", .setup = open_direct, .step = step_read4k, .finish = close_data },
	{ "write-4k", .setup = open_direct, .step = step_write4k, .finish = close_data },
	{ "read-1m", .setup = open_direct, .step = step_read1m, .finish = close_data },
	{ "write-1m", .setup = open_direct, .step = step_write1m, .finish = close_data },
	{ "read-1m-cold", .setup = open_cached, .step = step_read1m_once, .finish = close_data, .cold = 1 },
	{ "write-1m-fsync", .setup = open_cached, .step = step_write1m_once, .finish = finish_fsync, .finish_counts = 1 },
	{ "append-fsync", .setup = open_append, .step = step_append, .finish = close_append },
	{ .name = NULL },
};
