/*
 * Grant, recall, fence, quarantine and crash of layoutfs leases (leases.md sections 3, 4 and 7), for `npm run model`.
 * What is covered and what is left out is written in docs/leases-model.md. The daemon decides in turns of one thread, so
 * each turn is one atomic step here; processes, the kernel and the crash come in between in every possible order.
 *
 * File A is leased as a whole with a kind of which only one may be granted at a time (a direct writer). File B stands for
 * everybody else: it takes whatever block is free, so a block given away too early lands there under a live mapping.
 */
#define HOLDERS 2
#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#define BIT(b) (1 << (b))

mtype:state = { NONE, GRANTED, RECALLED, FENCING, ORPHANED, REVOKED };
/* FREED: free in the open transaction, to be had when it is durable. */
mtype:owner = { FREE, FREED, A, B, QUARANTINE };

mtype:state state[HOLDERS];
mtype:owner owner[BLOCKS];
byte reach[HOLDERS];
/* What the last commit left on the disk. */
mtype:state stateOnDisk[HOLDERS];
mtype:owner ownerOnDisk[BLOCKS];
byte reachOnDisk[HOLDERS];

/* Holders: asked for a lease; extents told, with a window that maps them; maps them; has a session the daemon knows. */
bool wants[HOLDERS];
byte told[HOLDERS];
byte maps[HOLDERS];
bool session[HOLDERS];
/* Granted, and not on the disk yet. */
bool fresh[HOLDERS];
/* Its break time was over once. */
bool lapsed[HOLDERS];
bool lapsedOnDisk[HOLDERS];
/* Somebody waits with a change that takes the blocks out of A. */
bool breaker;
byte crashes;

/* Of one step only: no part of the state. */
hidden byte h;
hidden byte b;
hidden byte o;
hidden byte set;
hidden byte found;

#ifdef BUG_RECLAIMS_LAPSED
#define RECLAIMABLE(i) true
#else
#define RECLAIMABLE(i) !lapsed[i]
#endif
#define LIVE(s) (s == GRANTED || s == RECALLED || s == FENCING || s == ORPHANED)
#define LATE(s) (s == RECALLED || s == FENCING || s == ORPHANED)

inline blocksOfA(set) {
  set = 0;
  for (b : 0 .. BLOCKS - 1) { if :: owner[b] == A -> set = set | BIT(b) :: else fi }
}

/* Blocks in quarantine that nobody reaches any more. */
inline releaseQuarantine() {
  for (b : 0 .. BLOCKS - 1) {
    if
    :: owner[b] == QUARANTINE && !(reach[0] & BIT(b)) && !(reach[1] & BIT(b)) -> owner[b] = FREED
    :: else
    fi
  }
}

/* Safety: checked after every step. */
inline check() {
  for (b : 0 .. BLOCKS - 1) {
    for (o : 0 .. HOLDERS - 1) {
      /* I1 and the quarantine: what somebody maps is neither free nor anybody else's. */
      assert(!(maps[o] & BIT(b)) || owner[b] == A || owner[b] == QUARANTINE);
      /* I16: nobody has blocks that a crash would take back. */
      assert(!(told[o] & BIT(b)) || ownerOnDisk[b] != FREE)
    }
    /* Two direct writers never share live blocks. */
    assert(owner[b] != A || !(maps[0] & BIT(b)) || !(maps[1] & BIT(b)));
  }
  /* I2: what a granted lease told its holder is where the file is. */
  for (o : 0 .. HOLDERS - 1) {
    for (b : 0 .. BLOCKS - 1) { assert(state[o] != GRANTED || !(told[o] & BIT(b)) || owner[b] == A) }
  }
  /* I5: no grant beside a lease that is not over. */
  assert(!(state[0] == GRANTED && LIVE(state[1])) && !(state[1] == GRANTED && LIVE(state[0])));
}

proctype Holder(byte me) {
  do
  :: atomic { state[me] == NONE && !wants[me] && maps[me] == 0 -> wants[me] = true; session[me] = true }
  /* As late as it likes: it may have slept through its recall. */
  :: atomic { told[me] != 0 && maps[me] == 0 -> maps[me] = told[me]; check() }
  /* return: stops first, says so then. */
  :: atomic { session[me] && told[me] != 0 -> maps[me] = 0; told[me] = 0; h = me;
      if
      :: LIVE(state[h]) -> state[h] = NONE; reach[h] = 0; wants[h] = false; releaseQuarantine()
      :: else -> skip /* ESTALE */
      fi; check() }
  /* Closes the session, or dies by SIGKILL with or without its mapping (a child may have it). */
  :: atomic { session[me] -> session[me] = false; wants[me] = false; h = me;
      if :: maps[me] = 0; told[me] = 0 :: skip fi;
      if :: state[h] == GRANTED || state[h] == RECALLED -> blocksOfA(reach[h]); state[h] = ORPHANED :: else fi; check() }
  :: atomic { maps[me] != 0 && !session[me] -> maps[me] = 0; told[me] = 0; check() }
  /* A named lease is taken up again after a crash. */
  :: atomic { state[me] == ORPHANED && !session[me] && told[me] != 0 && RECLAIMABLE(me) ->
      state[me] = GRANTED; session[me] = true;
      if :: state[1 - me] == GRANTED -> assert(false) :: else fi; check() }
  od
}

active proctype Daemon() {
  do
  /* get, the look that finds nothing in the way. */
  :: atomic { for (h : 0 .. HOLDERS - 1) {
      if
#ifdef BUG_GRANT_DURING_RECALL
      :: wants[h] && state[h] == NONE && session[h] && (!LIVE(state[1 - h]) || LATE(state[1 - h])) -> state[h] = GRANTED; fresh[h] = true; lapsed[h] = false
#else
      :: wants[h] && state[h] == NONE && session[h] && !LIVE(state[1 - h]) -> state[h] = GRANTED; fresh[h] = true; lapsed[h] = false
#endif
      :: else
      fi };
      check() }
  /* Group commit; replies to grants go out after it. */
  :: atomic { for (h : 0 .. HOLDERS - 1) { stateOnDisk[h] = state[h]; reachOnDisk[h] = reach[h]; lapsedOnDisk[h] = lapsed[h]; fresh[h] = false };
      for (b : 0 .. BLOCKS - 1) { if :: owner[b] == FREED -> owner[b] = FREE :: else fi; ownerOnDisk[b] = owner[b] };
      check() }
  :: atomic { for (h : 0 .. HOLDERS - 1) {
      if
#ifdef BUG_TELL_BEFORE_COMMIT
      :: wants[h] && session[h] && state[h] == GRANTED -> blocksOfA(told[h]); wants[h] = false
#else
      :: wants[h] && session[h] && state[h] == GRANTED && !fresh[h] -> blocksOfA(told[h]); wants[h] = false
#endif
      :: else
      fi };
      check() }
  /* Somebody wants to change the map, or to have a lease. */
  :: breaker = true
  :: atomic { breaker || wants[0] || wants[1] -> for (h : 0 .. HOLDERS - 1) {
      if :: state[h] == GRANTED && (breaker || wants[1 - h]) -> state[h] = RECALLED :: else fi }; check() }
  /* The deadline: what the holder may reach is written down before anything waiting goes on. */
  :: atomic { for (h : 0 .. HOLDERS - 1) {
      if :: state[h] == RECALLED || (state[h] == ORPHANED && (breaker || wants[1 - h])) ->
        blocksOfA(set); reach[h] = reach[h] | set; state[h] = FENCING; lapsed[h] = true
      :: else
      fi }; check() }
  /* The change goes on: expired=quarantine past a fence, expired=hold only after it. */
  :: atomic {
#ifdef HOLD
      breaker && !LIVE(state[0]) && !LIVE(state[1]) ->
#else
      breaker && (!LIVE(state[0]) || state[0] == FENCING) && (!LIVE(state[1]) || state[1] == FENCING) ->
#endif
      for (b : 0 .. BLOCKS - 1) {
        if
#ifdef BUG_NO_QUARANTINE
        :: owner[b] == A -> owner[b] = FREED
#else
        :: owner[b] == A && ((reach[0] | reach[1]) & BIT(b)) -> owner[b] = QUARANTINE
        :: owner[b] == A && !((reach[0] | reach[1]) & BIT(b)) -> owner[b] = FREED
#endif
        :: else
        fi };
      breaker = false; check() }
  /* The breaker gives up: the recall goes on. */
  :: breaker = false
  /* Fence by moving the blocks away; the old place stays within reach. REVOKED only when the switch is durable. */
  :: atomic { for (h : 0 .. HOLDERS - 1) {
      found = false;
      for (b : 0 .. BLOCKS - 1) { if :: owner[b] == FREE && !found -> set = b; found = true :: else fi };
      for (b : 0 .. BLOCKS - 1) {
        if :: state[h] == FENCING && (!LIVE(state[1 - h]) || state[1 - h] == FENCING) && found && owner[b] == A && (reach[h] & BIT(b)) ->
          owner[b] = QUARANTINE; owner[set] = A; found = false
        :: else
        fi } }; check() }
  :: atomic { for (h : 0 .. HOLDERS - 1) {
      found = true;
      for (b : 0 .. BLOCKS - 1) {
        if :: (owner[b] == A || ownerOnDisk[b] == A) && (reach[h] & BIT(b)) -> found = false :: else fi };
      if :: state[h] == FENCING && found -> state[h] = REVOKED :: else fi }; check() }
  /* Proof: nobody maps, and the window through which one could is gone. */
  :: atomic { for (h : 0 .. HOLDERS - 1) {
      if
#ifdef BUG_TIME_IS_PROOF
      :: state[h] == FENCING || state[h] == ORPHANED || state[h] == REVOKED ->
#else
      :: (state[h] == FENCING || state[h] == ORPHANED || state[h] == REVOKED) && maps[h] == 0 ->
#endif
        told[h] = 0; reach[h] = 0; wants[h] = false;
        state[h] = (state[h] == FENCING -> REVOKED : NONE)
      :: else
      fi };
      releaseQuarantine(); check() }
  /* Blocks are handed out. */
  :: atomic { found = false; for (b : 0 .. BLOCKS - 1) {
      if :: owner[b] == FREE && !found -> found = true; if :: owner[b] = B :: !LIVE(state[0]) && !LIVE(state[1]) -> owner[b] = A fi
      :: else
      fi }; check() }
  :: atomic { for (b : 0 .. BLOCKS - 1) { if :: owner[b] == B -> owner[b] = FREED :: else fi }; check() }
  /* kill -9 of the daemon and a new mount. Holders and what they map live on; their sessions do not. */
  :: atomic { crashes < CRASHES -> crashes++; breaker = false;
      for (b : 0 .. BLOCKS - 1) { owner[b] = ownerOnDisk[b] };
      for (h : 0 .. HOLDERS - 1) {
        session[h] = false; wants[h] = false; fresh[h] = false; state[h] = stateOnDisk[h]; reach[h] = reachOnDisk[h]; lapsed[h] = lapsedOnDisk[h];
#ifdef BUG_FORGETS_ORPHANS
        if :: LIVE(state[h]) -> state[h] = NONE; reach[h] = 0 :: else fi
#else
        if :: LIVE(state[h]) -> blocksOfA(set); reach[h] = reach[h] | set; state[h] = ORPHANED :: else fi
#endif
      };
      releaseQuarantine(); check() }
  od
}

init {
  atomic {
    owner[0] = A; ownerOnDisk[0] = A;
    for (b : 1 .. BLOCKS - 1) { owner[b] = FREE; ownerOnDisk[b] = FREE };
    for (h : 0 .. HOLDERS - 1) { state[h] = NONE; stateOnDisk[h] = NONE };
    run Holder(0); run Holder(1)
  }
}
