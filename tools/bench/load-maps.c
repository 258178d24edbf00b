/* Modes of load.c on a mapping of a file. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include "load.h"

static void map_file(struct task *t)
{
	open_cached(t);
	t->map = mmap(NULL, t->length, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, opt.offset);
	if (t->map == MAP_FAILED) die("mmap");
	t->cursor = 0;
}

static void map_warm(struct task *t)
{
	map_file(t);
	for (long i = 0; i < t->length; i += PAGE) t->sink += t->map[i];
}

/* For stores: every page has been written once, so that the first stores do not count its fault. */
static void map_written(struct task *t)
{
	map_file(t);
	for (long i = 0; i < t->length; i += PAGE) t->map[i] = i;
}

static void shuffle(struct task *t)
{
	long pages = t->length / PAGE;
	t->order = malloc(pages * sizeof *t->order);
	for (long i = 0; i < pages; i++) t->order[i] = i;
	for (long i = pages - 1; i > 0; i--) {
		long j = next_random(&t->random) % (i + 1);
		uint32_t keep = t->order[i];
		t->order[i] = t->order[j];
		t->order[j] = keep;
	}
}

static void map_shuffled(struct task *t)
{
	map_file(t);
	shuffle(t);
}

static int step_map_random(struct task *t)
{
	for (int i = 0; i < 256; i++) t->sink += t->map[random_page(t) + 8 * (i & 255)];
	t->operations += 256;
	return 1;
}

static int step_map_store(struct task *t)
{
	for (int i = 0; i < 256; i++) t->map[random_page(t) + 8 * (i & 255)] = i;
	t->operations += 256;
	return 1;
}

static int step_map_seq(struct task *t)
{
	if (t->cursor + MIB > t->length) t->cursor = 0;
	const uint64_t *p = (const uint64_t *)(t->map + t->cursor);
	uint64_t sum = 0;
	for (long i = 0; i < MIB / 8; i++) sum += p[i];
	t->sink += sum;
	t->cursor += MIB;
	t->operations++;
	t->bytes += MIB;
	return 1;
}

static int step_map_seq_once(struct task *t)
{
	if (t->cursor + MIB > t->length) return 0;
	return step_map_seq(t);
}

static int step_map_random_once(struct task *t)
{
	for (int i = 0; i < 64; i++) {
		if (t->cursor >= t->length / PAGE) return 0;
		t->sink += t->map[t->order[t->cursor++] * PAGE];
		t->operations++;
	}
	return 1;
}

static void unmap(struct task *t)
{
	munmap(t->map, t->length);
	close(t->fd);
}

const struct mode map_modes[] = {
	{ "mmap-random", .setup = map_warm, .step = step_map_random, .finish = unmap },
	{ "mmap-store", .setup = map_written, .step = step_map_store, .finish = unmap },
	{ "mmap-seq", .setup = map_warm, .step = step_map_seq, .finish = unmap },
	{ "mmap-random-cold", .setup = map_shuffled, .step = step_map_random_once, .finish = unmap, .cold = 1 },
	{ "mmap-seq-cold", .setup = map_file, .step = step_map_seq_once, .finish = unmap, .cold = 1 },
	{ .name = NULL },
};
