/* Sessions of the C client: threads, fork, a recall callback, a mapping. Prints what it met. */
#define _GNU_SOURCE
#include "layoutfs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t heard = PTHREAD_COND_INITIALIZER;
static struct layoutfs_event recall;

static void on_event(struct layoutfs_session *session, const struct layoutfs_event *event, void *argument) {
  (void)session;
  (void)argument;
  if (strcmp(event->name, "recall")) return;
  pthread_mutex_lock(&lock);
  recall = *event;
  pthread_cond_signal(&heard);
  pthread_mutex_unlock(&lock);
}

static void *asks(void *argument) {
  char reply[4096];
  long failures = 0;
  for (int i = 0; i < 50; i++) failures += layoutfs_request(argument, "why path=/file", reply, sizeof reply) != 0;
  return (void *)failures;
}

int main(int argc, char **argv) {
  struct layoutfs_session *session = layoutfs_open(argv[1], argc > 2 ? argv[2] : NULL);
  struct layoutfs_lease lease;
  pthread_t threads[4];
  void *address, *failures;
  size_t length;
  int status;
  pid_t child;
  if (argc < 2 || !session) return 1;
  if (layoutfs_get(session, "/nothing here", NULL, &lease))
    printf("missing %s %d\n", strerrorname_np(errno), *layoutfs_why() != 0);
  if (layoutfs_get(session, "/file", "kind=direct", &lease)) return 2;
  if (layoutfs_map(session, &lease, 0, &address, &length)) return 3;
  memcpy((char *)address + 100, "from C", 6);
  if (layoutfs_commit(session, &lease, 0, 4096, 0)) return 4;
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, asks, session);
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], &failures);
    printf("thread %ld\n", (long)failures);
  }
  fflush(stdout);
  child = fork();
  if (child == 0) {
    int refused = layoutfs_return(session, &lease) && errno == EPERM;
    layoutfs_close(session);
    _exit(refused ? 0 : 1);
  }
  waitpid(child, &status, 0);
  printf("child %d\n", WEXITSTATUS(status));
  if (layoutfs_watch(session, on_event, NULL)) return 5;
  printf("ready\n");
  fflush(stdout);
  pthread_mutex_lock(&lock);
  while (!recall.lease) pthread_cond_wait(&heard, &lock);
  pthread_mutex_unlock(&lock);
  printf("recall mine=%d breaker=%d deadline=%d\n", recall.lease == lease.id, recall.breaker > 0, recall.deadline_ms > 0);
  layoutfs_unmap(address, length);
  if (layoutfs_return(session, &lease)) return 6;
  layoutfs_close(session);
  return 0;
}
