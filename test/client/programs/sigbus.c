/* A guarded mapping after revocation: SIGBUS at the address touched, in the thread that touched it. */
#define _GNU_SOURCE
#include "layoutfs.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static __thread sigjmp_buf jump;
static __thread void *faulted;

static void on_sigbus(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  faulted = info->si_addr;
  siglongjmp(jump, 1);
}

static char *address;

/* Touches its own page until that faults; 1 when the fault was at that page. */
static void *touch(void *argument) {
  volatile char *page = address + 4096 * (long)argument;
  if (sigsetjmp(jump, 1)) return (void *)(long)(faulted == page);
  for (;;) {
    *page = 'x';
    usleep(1000);
  }
}

int main(int argc, char **argv) {
  struct layoutfs_session *session = layoutfs_open(argv[1], NULL);
  struct layoutfs_lease lease;
  struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
  struct layoutfs_event event;
  pthread_t threads[3];
  void *base, *mine;
  size_t length;
  if (argc != 2 || !session || layoutfs_get(session, "/bus", NULL, &lease)) return 1;
  if (layoutfs_map(session, &lease, LAYOUTFS_MAP_GUARDED, &base, &length)) return 2;
  address = base;
  sigaction(SIGBUS, &action, NULL);
  for (long i = 0; i < 3; i++) pthread_create(&threads[i], NULL, touch, (void *)i);
  printf("lease %llu\n", (unsigned long long)lease.id);
  fflush(stdout);
  for (int i = 0; i < 3; i++) {
    pthread_join(threads[i], &mine);
    printf("SIGBUS %ld\n", (long)mine);
  }
  while (layoutfs_event(session, &event, 2000) == 1 && strcmp(event.name, "revoked")) continue;
  printf("event %s\n", event.name);
  printf("return %d\n", layoutfs_return(session, &lease));
  layoutfs_close(session);
  return 0;
}
