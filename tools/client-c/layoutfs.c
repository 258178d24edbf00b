/* layoutfs.c - sessions of layoutfs.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "layoutfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

/* A line, or the lines of a reply, in a list. */
struct text {
  struct text *next;
  unsigned long tag;
  char *bytes;
};

struct layoutfs_session {
  int fd;
  int waits; /* eventfd: readable as long as `events` holds one */
  int ready; /* epoll of both: what a program polls */
  int stop;  /* eventfd that ends the watching thread */
  pid_t owner;
  char *dir; /* MOUNT/CONTROL */
  pthread_mutex_t lock;
  pthread_cond_t arrived;
  unsigned long next_tag;
  char *received;
  size_t length, room;
  size_t lines; /* bytes at the start of `received` that are list lines of a reply to come */
  struct text *replies;
  struct text *events, **last_event;
  int watching;
  pthread_t watcher;
  layoutfs_callback callback;
  void *argument;
};

static __thread char why[512];
static __thread int closed_by_callback;

const char *layoutfs_why(void) { return why; }

static int fail(int error, const char *message) {
  snprintf(why, sizeof why, "%s", message);
  errno = error;
  return -1;
}

static int usable(struct layoutfs_session *s) {
  why[0] = 0;
  return getpid() == s->owner ? 0 : fail(EPERM, "the session belongs to the parent process");
}

static int watch_fd(int epoll, int fd) {
  struct epoll_event event;
  memset(&event, 0, sizeof event);
  event.events = EPOLLIN;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

struct layoutfs_session *layoutfs_open(const char *mount, const char *control) {
  struct layoutfs_session *s = (struct layoutfs_session *)calloc(1, sizeof *s);
  char *path = NULL;
  why[0] = 0;
  if (!s) return NULL;
  s->fd = s->stop = s->waits = s->ready = -1;
  s->owner = getpid();
  s->next_tag = 1;
  s->last_event = &s->events;
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->arrived, NULL);
  if (asprintf(&s->dir, "%s/%s", mount, control ? control : ".layout") < 0) s->dir = NULL;
  if (s->dir && asprintf(&path, "%s/ctl", s->dir) >= 0) s->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  free(path);
  if (s->fd >= 0) s->stop = eventfd(0, EFD_CLOEXEC);
  if (s->stop >= 0) s->waits = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (s->waits >= 0) s->ready = epoll_create1(EPOLL_CLOEXEC);
  if (s->ready < 0 || watch_fd(s->ready, s->fd) || watch_fd(s->ready, s->waits)) {
    int error = errno;
    layoutfs_close(s);
    errno = error;
    return NULL;
  }
  return s;
}

static void free_texts(struct text *t) {
  while (t) {
    struct text *next = t->next;
    free(t->bytes);
    free(t);
    t = next;
  }
}

void layoutfs_close(struct layoutfs_session *s) {
  if (!s) return;
  if (s->watching && getpid() == s->owner) {
    uint64_t one = 1;
    ssize_t done = write(s->stop, &one, sizeof one);
    (void)done;
    if (!pthread_equal(pthread_self(), s->watcher)) pthread_join(s->watcher, NULL);
    else {
      pthread_detach(s->watcher);
      closed_by_callback = 1;
    }
  }
  if (s->ready >= 0) close(s->ready);
  if (s->fd >= 0) close(s->fd);
  if (s->waits >= 0) close(s->waits);
  if (s->stop >= 0) close(s->stop);
  free_texts(s->replies);
  free_texts(s->events);
  pthread_mutex_destroy(&s->lock);
  pthread_cond_destroy(&s->arrived);
  free(s->received);
  free(s->dir);
  free(s);
}

int layoutfs_fd(const struct layoutfs_session *s) { return s->ready; }

/* Fields are name=value, the value bare or in quotes; the first word of a line is its kind. */
int layoutfs_field(const char *reply, const char *name, char *value, size_t size) {
  size_t length = strlen(name);
  /* The last line is the one that counts: those before it are a list. */
  const char *at = reply, *line = reply;
  while ((at = strchr(at, '\n')) && at[1]) line = ++at;
  for (at = line; at && *at;) {
    int found = (at == line || at[-1] == ' ') && !strncmp(at, name, length) && at[length] == '=';
    size_t used = 0;
    if (found) {
      const char *v = at + length + 1;
      int quoted = *v == '"';
      if (quoted) v++;
      for (; *v && *v != '\n' && *v != (quoted ? '"' : ' '); v++) {
        if (*v == '\\' && v[1] == 'x' && v[2] && v[3]) {
          char hex[3] = {v[2], v[3], 0};
          if (used + 1 < size) value[used++] = (char)strtol(hex, NULL, 16);
          v += 3;
          continue;
        }
        if (*v == '\\' && v[1]) v++;
        if (used + 1 < size) value[used++] = *v;
      }
      if (size) value[used] = 0;
      return 0;
    }
    /* To the next blank outside of quotes. */
    int quotes = 0;
    for (; *at && *at != '\n' && (quotes || *at != ' '); at++) {
      if (*at == '\\' && at[1]) at++;
      else if (*at == '"') quotes = !quotes;
    }
    if (*at != ' ') break;
    at++;
  }
  errno = ENOENT;
  return -1;
}

static uint64_t number(const char *reply, const char *name, uint64_t fallback) {
  char value[32];
  return layoutfs_field(reply, name, value, sizeof value) ? fallback : strtoull(value, NULL, 10);
}

/* range=a-b, b missing for "to any end". */
static void range(const char *reply, uint64_t *offset, uint64_t *length) {
  char value[64], *dash;
  *offset = 0;
  *length = UINT64_MAX;
  if (layoutfs_field(reply, "range", value, sizeof value)) return;
  *offset = strtoull(value, &dash, 10);
  if (*dash == '-' && dash[1]) *length = strtoull(dash + 1, NULL, 10) - *offset;
}

static int keep(struct layoutfs_session *s, const char *bytes, size_t length, int is_event) {
  struct text *t = (struct text *)calloc(1, sizeof *t);
  if (t) t->bytes = strndup(bytes, length);
  if (!t || !t->bytes) {
    free(t);
    return fail(ENOMEM, "out of memory");
  }
  if (is_event) {
    uint64_t one = 1;
    /* A request of any thread may have brought it along: the descriptor that is polled has to say so. */
    if (!s->events && write(s->waits, &one, sizeof one) != sizeof one) {
      free(t->bytes);
      free(t);
      return fail(errno, "eventfd");
    }
    *s->last_event = t;
    s->last_event = &t->next;
  } else {
    char tag[32];
    t->tag = layoutfs_field(t->bytes, "tag", tag, sizeof tag) ? 0 : strtoul(tag, NULL, 10);
    t->next = s->replies;
    s->replies = t;
  }
  pthread_cond_broadcast(&s->arrived);
  return 0;
}

/* Sorts the complete lines that have come. The lock is held. */
static int sort_lines(struct layoutfs_session *s) {
  char *newline;
  while ((newline = (char *)memchr(s->received + s->lines, '\n', s->length - s->lines))) {
    size_t end = (size_t)(newline - s->received) + 1;
    char *line = s->received + s->lines;
    int is_event = !strncmp(line, "event ", 6);
    size_t from = is_event ? s->lines : 0;
    if (*line == ' ') {
      s->lines = end;
      continue;
    }
    if (keep(s, s->received + from, end - from, is_event)) return -1;
    memmove(s->received + from, s->received + end, s->length - end);
    s->length -= end - from;
    if (!is_event) s->lines = 0;
  }
  return 0;
}

/* Reads all that is there. The lock is held. */
static int drain(struct layoutfs_session *s) {
  for (;;) {
    if (s->room - s->length < CHUNK) {
      char *more = (char *)realloc(s->received, s->room + 2 * CHUNK);
      if (!more) return fail(ENOMEM, "out of memory");
      s->received = more;
      s->room += 2 * CHUNK;
    }
    ssize_t got = read(s->fd, s->received + s->length, s->room - s->length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return 0;
    if (got < 0) return fail(errno, "reading the control file");
    if (got == 0) return 0;
    s->length += (size_t)got;
    if (sort_lines(s)) return -1;
  }
}

int layoutfs_request(struct layoutfs_session *s, const char *line, char *reply, size_t size) {
  char *tagged;
  unsigned long tag;
  int length, error = 0, result;
  struct text **at, *found = NULL;
  if (usable(s)) return -1;
  if (strchr(line, '\n')) return fail(EINVAL, "a request is one line");
  pthread_mutex_lock(&s->lock);
  tag = s->next_tag++;
  pthread_mutex_unlock(&s->lock);
  length = asprintf(&tagged, "%s tag=%lu\n", line, tag);
  if (length < 0) return fail(ENOMEM, "out of memory");
  /* Outside of the lock: a verb that waits must not keep other threads from answering a recall. */
  if (write(s->fd, tagged, (size_t)length) != length) error = errno ? errno : EIO;
  free(tagged);
  pthread_mutex_lock(&s->lock);
  result = drain(s);
  for (at = &s->replies; *at && !found; ) {
    if ((*at)->tag == tag) {
      found = *at;
      *at = found->next;
    } else at = &(*at)->next;
  }
  pthread_mutex_unlock(&s->lock);
  if (found) {
    if (reply && size) snprintf(reply, size, "%s", found->bytes);
    if (error && layoutfs_field(found->bytes, "hint", why, sizeof why)) why[0] = 0;
    free(found->bytes);
    free(found);
  } else if (!error) error = result ? errno : EIO;
  errno = error;
  return error ? -1 : 0;
}

/* A path as a quoted value. */
static char *quote(const char *path) {
  char *quoted = (char *)malloc(4 * strlen(path) + 3), *to = quoted;
  if (!quoted) return NULL;
  *to++ = '"';
  for (; *path; path++) {
    unsigned char c = (unsigned char)*path;
    if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f) to += sprintf(to, "\\x%02x", c);
    else *to++ = (char)c;
  }
  *to++ = '"';
  *to = 0;
  return quoted;
}

/* A verb on a path, its reply in `reply`. */
static int path_verb(struct layoutfs_session *s, const char *verb, const char *path, const char *options, char *reply,
                     size_t size) {
  char *line = NULL, *quoted = quote(path);
  int result, error;
  if (!quoted || asprintf(&line, "%s path=%s %s", verb, quoted, options ? options : "") < 0) {
    free(quoted);
    return fail(ENOMEM, "out of memory");
  }
  result = layoutfs_request(s, line, reply, size);
  error = errno;
  free(line);
  free(quoted);
  errno = error;
  return result;
}

int layoutfs_get(struct layoutfs_session *s, const char *path, const char *options, struct layoutfs_lease *lease) {
  char reply[1024];
  if (path_verb(s, "get", path, options, reply, sizeof reply)) return -1;
  lease->id = number(reply, "id", 0);
  lease->seq = number(reply, "seq", 0);
  range(reply, &lease->offset, &lease->length);
  return 0;
}

int layoutfs_prepare(struct layoutfs_session *s, const char *path, const char *options) {
  return path_verb(s, "prepare", path, options, NULL, 0);
}

static int holder_verb(struct layoutfs_session *s, struct layoutfs_lease *lease, const char *line) {
  char reply[1024];
  int result = layoutfs_request(s, line, reply, sizeof reply);
  if (!result) lease->seq = number(reply, "seq", lease->seq);
  return result;
}

int layoutfs_return(struct layoutfs_session *s, struct layoutfs_lease *lease) {
  char line[64];
  snprintf(line, sizeof line, "return id=%llu", (unsigned long long)lease->id);
  return holder_verb(s, lease, line);
}

int layoutfs_commit(struct layoutfs_session *s, struct layoutfs_lease *lease, uint64_t offset, uint64_t length,
                    uint64_t size) {
  char line[160];
  int used = snprintf(line, sizeof line, "commit id=%llu range=%llu-%llu", (unsigned long long)lease->id,
                      (unsigned long long)offset, (unsigned long long)(offset + length));
  if (size) snprintf(line + used, sizeof line - (size_t)used, " size=%llu", (unsigned long long)size);
  return holder_verb(s, lease, line);
}

static int open_window(struct layoutfs_session *s, const char *window, uint64_t id, int read_only) {
  char *path;
  int fd;
  if (asprintf(&path, "%s/%s/%llu", s->dir, window, (unsigned long long)id) < 0) return fail(ENOMEM, "out of memory");
  fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
  free(path);
  return fd;
}

struct piece {
  uint64_t offset, device, length;
};

/* All extents of the lease, page by page. Their number, or -1. */
static long extents(struct layoutfs_session *s, const struct layoutfs_lease *lease, struct piece **pieces) {
  size_t size = 1 << 18;
  char *reply = (char *)malloc(size), line[96], next[32];
  long count = 0, room = 0;
  uint64_t from = lease->offset;
  *pieces = NULL;
  for (;;) {
    snprintf(line, sizeof line, "map id=%llu offset=%llu", (unsigned long long)lease->id, (unsigned long long)from);
    if (!reply || layoutfs_request(s, line, reply, size)) goto failed;
    for (char *at = reply; *at == ' '; at = strchr(at, '\n') + 1) {
      unsigned long long offset, length;
      char device[32];
      if (sscanf(at, " offset=%llu device=%31s length=%llu", &offset, device, &length) != 3) break;
      if (count == room) {
        struct piece *more = (struct piece *)realloc(*pieces, (size_t)(room = room * 2 + 64) * sizeof *more);
        if (!more) goto failed;
        *pieces = more;
      }
      (*pieces)[count].offset = offset;
      (*pieces)[count].device = *device == '-' ? UINT64_MAX : strtoull(device, NULL, 10);
      (*pieces)[count++].length = length;
    }
    if (layoutfs_field(reply, "next", next, sizeof next) || *next == '-') break;
    from = strtoull(next, NULL, 10);
  }
  free(reply);
  return count;
failed:
  free(reply);
  free(*pieces);
  *pieces = NULL;
  return -1;
}

int layoutfs_map(struct layoutfs_session *s, const struct layoutfs_lease *lease, unsigned flags, void **address,
                 size_t *length) {
  int read_only = (flags & LAYOUTFS_MAP_READ_ONLY) != 0, guarded = (flags & LAYOUTFS_MAP_GUARDED) != 0;
  int prot = PROT_READ | (read_only ? 0 : PROT_WRITE), fd = -1, error;
  struct piece *pieces, whole;
  char *base = (char *)MAP_FAILED;
  long count;
  if (usable(s)) return -1;
  count = extents(s, lease, &pieces);
  if (count < 0) return -1;
  *length = count ? (size_t)(pieces[count - 1].offset + pieces[count - 1].length - lease->offset) : 0;
  if (!guarded) {
    fd = open_window(s, "device", lease->id, read_only);
    guarded = fd < 0 && (errno == EPERM || errno == EACCES);
  }
  if (guarded) fd = open_window(s, "lease", lease->id, read_only);
  if (fd < 0 || (*length == 0 && fail(EINVAL, "the lease covers no bytes"))) goto out;
  if (guarded) {
    whole.offset = whole.device = lease->offset;
    whole.length = *length;
  }
  /* The whole range first, so that the pieces lie side by side whatever else the process maps. */
  base = (char *)mmap(NULL, *length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (long i = 0; base != MAP_FAILED && i < (guarded ? 1 : count); i++) {
    struct piece *p = guarded ? &whole : &pieces[i];
    void *mapped = MAP_FAILED;
    if (p->device == UINT64_MAX) fail(ENXIO, "the leased range has a hole: prepare it first");
    else
      mapped = mmap(base + (p->offset - lease->offset), p->length, prot, MAP_SHARED | MAP_FIXED, fd, (off_t)p->device);
    if (mapped == MAP_FAILED) {
      error = errno;
      munmap(base, *length);
      base = (char *)MAP_FAILED;
      errno = error;
    }
  }
  /* A child has no lease, and its copy would reach the blocks after the parent has given them back. */
  if (base != MAP_FAILED && !(flags & LAYOUTFS_MAP_INHERIT)) madvise(base, *length, MADV_DONTFORK);
out:
  error = errno;
  if (fd >= 0) close(fd);
  free(pieces);
  *address = base;
  errno = error;
  return base == MAP_FAILED ? -1 : 0;
}

int layoutfs_unmap(void *address, size_t length) { return munmap(address, length); }

static void parse_event(const char *line, struct layoutfs_event *event) {
  char value[32];
  memset(event, 0, sizeof *event);
  snprintf(event->text, sizeof event->text, "%.*s", (int)strcspn(line, "\n"), line);
  sscanf(line, "event %15s", event->name);
  event->lease = number(line, "lease", 0);
  event->seq = number(line, "seq", 0);
  range(line, &event->offset, &event->length);
  event->deadline_ms = -1;
  if (!layoutfs_field(line, "deadline", value, sizeof value) && *value != '-')
    event->deadline_ms = (int64_t)(strtod(value, NULL) * 1000);
  event->breaker = (int64_t)number(line, "breaker", UINT64_MAX);
}

/* Takes the oldest event out of the queue: 1, or 0 when there is none. The lock is held. */
static int take_event(struct layoutfs_session *s, struct layoutfs_event *event) {
  struct text *t = s->events;
  if (!t) return 0;
  s->events = t->next;
  if (!s->events) {
    uint64_t count;
    ssize_t got = read(s->waits, &count, sizeof count);
    (void)got;
    s->last_event = &s->events;
  }
  parse_event(t->bytes, event);
  free(t->bytes);
  free(t);
  return 1;
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int layoutfs_event(struct layoutfs_session *s, struct layoutfs_event *event, int timeout_ms) {
  int64_t deadline = now_ms() + timeout_ms;
  if (usable(s)) return -1;
  for (;;) {
    struct pollfd fds[2] = {{s->ready, POLLIN, 0}, {s->stop, POLLIN, 0}};
    int64_t left = timeout_ms < 0 ? -1 : deadline - now_ms();
    int found;
    pthread_mutex_lock(&s->lock);
    found = drain(s) ? -1 : take_event(s, event);
    pthread_mutex_unlock(&s->lock);
    if (found) return found;
    if (timeout_ms >= 0 && left <= 0) return 0;
    if (left > INT_MAX) left = INT_MAX;
    if (poll(fds, 2, (int)left) < 0 && errno != EINTR) return fail(errno, "poll");
    if (fds[1].revents) return fail(ECANCELED, "the session is being closed");
  }
}

static void *watch(void *argument) {
  struct layoutfs_session *s = (struct layoutfs_session *)argument;
  struct layoutfs_event event;
  closed_by_callback = 0;
  while (!closed_by_callback && layoutfs_event(s, &event, -1) == 1) s->callback(s, &event, s->argument);
  return NULL;
}

int layoutfs_watch(struct layoutfs_session *s, layoutfs_callback callback, void *argument) {
  int error;
  if (usable(s)) return -1;
  if (s->watching) return fail(EBUSY, "the session is watched already");
  s->callback = callback;
  s->argument = argument;
  error = pthread_create(&s->watcher, NULL, watch, s);
  if (error) return fail(error, "pthread_create");
  s->watching = 1;
  return 0;
}
