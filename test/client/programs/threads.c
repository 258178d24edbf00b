/*
 * One session, eight threads that lease, map, store, commit and return files of their own, one that waits for a lease
 * that another of them holds, and a callback that answers recalls and at last closes the session: threads MOUNT ROUNDS.
 * The files are /t0 to /t7.
 */
#define _GNU_SOURCE
#include "layoutfs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 8

static struct layoutfs_session *session;
static int rounds;
static struct layoutfs_lease kept;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int recalled, over, closed;

static void *work(void *argument) {
  long number = (long)argument, failures = 0;
  char path[16];
  snprintf(path, sizeof path, "/t%ld", number);
  for (int i = 0; i < rounds; i++) {
    struct layoutfs_lease lease;
    void *base;
    size_t length;
    if (layoutfs_get(session, path, "kind=direct", &lease)) return (void *)(failures + 1000);
    if (layoutfs_map(session, &lease, i % 2 ? LAYOUTFS_MAP_GUARDED : 0, &base, &length)) return (void *)(failures + 2000);
    memset((char *)base + 4096 * (i % 16), 'A' + (int)number, 4096);
    failures += layoutfs_commit(session, &lease, 4096 * (uint64_t)(i % 16), 4096, 0) != 0;
    failures += layoutfs_unmap(base, length) != 0;
    failures += layoutfs_return(session, &lease) != 0;
    failures += lease.seq < 2;
  }
  return (void *)failures;
}

/* An exclusive lease on what the main thread holds: granted when the callback has given that back. */
static void *want(void *argument) {
  struct layoutfs_session *asker = layoutfs_open(argument, NULL);
  struct layoutfs_lease lease;
  int result = layoutfs_get(asker, "/kept", "kind=exclusive wait=20", &lease);
  layoutfs_close(asker);
  return (void *)(long)result;
}

static void on_event(struct layoutfs_session *heard, const struct layoutfs_event *event, void *argument) {
  (void)argument;
  if (!strcmp(event->name, "recall") && event->lease == kept.id) {
    pthread_mutex_lock(&lock);
    recalled = layoutfs_return(heard, &kept) == 0 ? 1 : -1;
    pthread_cond_broadcast(&changed);
    while (!over) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    layoutfs_close(heard);
    pthread_mutex_lock(&lock);
    closed = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
  }
}

int main(int argc, char **argv) {
  pthread_t threads[THREADS], wanting;
  void *failures, *wanted;
  if (argc != 3 || !(session = layoutfs_open(argv[1], NULL))) return 1;
  rounds = atoi(argv[2]);
  if (layoutfs_get(session, "/kept", "kind=direct", &kept)) return 2;
  if (layoutfs_watch(session, on_event, NULL)) return 3;
  printf("watched twice %d", layoutfs_watch(session, on_event, NULL));
  printf(" %s\n", strerrorname_np(errno));
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
  pthread_create(&wanting, NULL, want, argv[1]);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], &failures);
    printf("thread %ld\n", (long)failures);
  }
  pthread_join(wanting, &wanted);
  pthread_mutex_lock(&lock);
  while (!recalled) pthread_cond_wait(&changed, &lock);
  printf("wanted %ld recalled %d\n", (long)wanted, recalled);
  over = 1;
  pthread_cond_broadcast(&changed);
  while (!closed) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
  printf("closed by its callback\n");
  return 0;
}
