/* Failover as the code does it: two nodes, each with its unit, gate and keepalived, and one storage server.
   docs/failover.md has the picture. trouble.pml breaks things, and has the clock: a tick is a second, and what takes
   less happens within one, in every order.

     FAULTS, N                what may go wrong, and how often in all
     ONE, TOGETHER, BACK      the property: one of them is defined
     WITHOUT                  mechanisms switched off, to see that they are needed

   By hand: spin -a -DONE -DN=2 -DFAULTS=CRASH failover.pml; gcc -DSAFETY -DBFS -o pan pan.c; ./pan; and when it fails
   spin -t -T -DONE -DN=2 -DFAULTS=CRASH failover.pml tells how. test_model.py does it for all cases. */

#ifndef LEASE                   /* test_model.py hands in the seconds that model.py computes; these are its for 15 */
#define LEASE    15
#define BEAT     1              /* heartbeat interval */
#define WATCHDOG 5
#define STOP     2              /* TimeoutStopSec */
#define ADDRESS  3              /* ADDRESS_TIMEOUT */
#endif
#define LOOKS    4              /* two looks of the heartbeat at cranectld, one every other second */
#define PAUSE    1              /* RestartSec */
#ifndef AGAIN
#define AGAIN    (WATCHDOG + STOP + BEAT)       /* queue_for_lock.py: for the holder of a lost lock file to notice */
#endif
#ifndef SERVER_LEASE
#define SERVER_LEASE LEASE      /* the server's own; no longer */
#endif
#ifndef NAMES
#define NAMES    0              /* how long a node may believe a name that it has looked up */
#endif

/* mechanisms, and what is taken for granted */
#define FENCING  1              /* the watchdog kills a daemon whose heartbeat does not reach the storage */
#define IDENTITY 2              /* the open lock file is compared with the one that its name leads to */
#define SECOND   4              /* cranectld.lock */
#define GATED    8              /* keepalived looks at the gate */
#define REVERSE  16             /* "weight 0 reverse": without it no file, like 0, means open */
#define CLOSING  32             /* ExecStopPost= of cranectld closes the gate */
#define CLEANING 64             /* ExecStopPost= of keepalived removes the address */
#define WATCHING 128            /* the heartbeat kills a daemon that a signal has stopped */
#define LONELY   256            /* the heartbeat lets go when the address stays away */
#define GRACE    512            /* the server waits for the holders after a restart */
#define TWO_WIRES 1024          /* the link that bears the address does not bear the storage too */
#define EXCUSED  2048           /* TOGETHER asks nothing of a keepalived that hangs */
#define MARKING  4096           /* ha.lock says its own inode */
#ifndef WITHOUT
#define WITHOUT  0
#endif
#define has(mechanism) (!((WITHOUT) & mechanism))

/* cranectld.service, by what its main process does: queue-for-lock up to OPENING, cranectld at SERVING and ENDING */
#define OUT      0              /* stopped */
#define RESTING  1              /* between two runs */
#define LOOKING  2              /* looks for link, keepalived, storage, ha.lock */
#define QUEUED   3              /* asleep in flock(2) on ha.lock */
#define SETTLING 4              /* holds a lock file that came in another one's place */
#define WAITING  5              /* holds ha.lock, waits for cranectld.lock */
#define OPENING  6              /* gate open, heartbeat beside it, about to exec */
#define SERVING  7
#define ENDING   8              /* told to end, by SIGTERM */
#define ENDED    9              /* no process left; ExecStopPost= comes */
byte unit[2] = RESTING;
byte timer[2];                  /* until RESTING, SETTLING, ENDING are over */
byte quiet[2];                  /* since the last beat: for systemd's watchdog, and for the server's lease */
byte lonely[2];                 /* since the daemon has been without the address */
byte sick[2];                   /* since cranectld was stopped by a signal */
bool heart[2];                  /* the heartbeat beats: it lives, and does not wait for cranectld's end */
byte gate[2];                   /* 0 closed, 1 open, 2 no such file */
#define STOPPED   1
#define RESTARTED 2
byte job[2];                    /* systemd's, under way */

#define KOUT     0              /* keepalived.service stopped, */
#define KDEAD    1              /* ... killed, */
#define KAGAIN   2              /* ... to start when cranectld, restarted with it, has ended */
#define FAULT    3              /* the states of VRRP */
#define BACKUP   4
#define MASTER   5
byte ka[2] = FAULT;
bool address[2], frozen[2], leaving[2];

#define STANDS   2
byte on[2] = 1;                 /* 0 without power, 1 on, STANDS still */
bool link[2] = 1, wire[2] = 1;  /* wire: to the storage */
bool part;

/* the storage; of each lock file the first one, 0, and the one that came in its place, 1 */
#define OTHER    2              /* who holds it: node 0, node 1, a third machine, nobody */
#define FREE     3
#define NONE     2              /* the name leads to no file */
byte ha[2] = FREE, own[2] = FREE;               /* who holds ha.lock, cranectld.lock */
byte name, own_name, mine[2], own_mine[2];      /* the file that the name leads to, that the node has open */
bool marked;                    /* ha.lock does not say its own inode: made again, or a copy */
byte stale[2];                  /* so long the node still sees the former file */
byte server;                    /* 0 well, 1 down, else seconds of grace, and 1 */

byte n = N, gone;
bool calm;                      /* in this second nothing more goes wrong */

#define awake(i)   (on[i] == 1)
#define other(i)   (1 - i)
#define wired(i)   (wire[i] && server != 1 && (has(TWO_WIRES) || link[i]))
#define reaches(i) (awake(i) && wired(i))
#define holds(i)   (unit[i] >= SETTLING && unit[i] <= ENDING)
#define up(i)      (unit[i] == OPENING || unit[i] == SERVING)
#define beats(i)   (unit[i] >= OPENING && unit[i] <= ENDING)
#define daemon(i)  (unit[i] == SERVING || unit[i] == ENDING)
#define owns(i)    (ha[0] == i || ha[1] == i || own[0] == i || own[1] == i)
#define runs(i)    (awake(i) && ka[i] >= FAULT && !frozen[i])
#define hears(i)   (runs(other(i)) && ka[other(i)] == MASTER && !part && link[0] && link[1])
#define sees(i)    (stale[i] -> 0 : name)
#define replaced(i) (has(IDENTITY) && sees(i) != mine[i])
#define open(i)    (!has(GATED) || gate[i] == 1 || !has(REVERSE) && gate[i] == 2)
#define fit(i)     (open(i) && link[i])
/* a heartbeat in a write that hangs does not look at the network */
#define looks(i)   (up(i) && awake(i) && heart[i] && (wired(i) || quiet[i] < BEAT))

#define say(i, text) printf("node %d: ", i + 1); printf(text); printf("\n")
#ifdef ONE
#define check_one  assert(daemon(0) + daemon(1) + (own[0] == OTHER || own[1] == OTHER) <= 1)
#else
#define check_one  skip
#endif

inline rests(i, seconds) { unit[i] = RESTING; timer[i] = seconds }
inline ends(i) { unit[i] = ENDED; timer[i] = 0; sick[i] = 0; heart[i] = 0 }
inline told(i) { if :: unit[i] == SERVING -> unit[i] = ENDING; timer[i] = STOP :: else -> ends(i) fi }
inline closes(i) { if :: gate[i] == 1 -> gate[i] = 0 :: else fi }

inline follows(i) {
	if
	:: job[i] == STOPPED -> unit[i] = OUT; timer[i] = 0
	:: job[i] == RESTARTED -> rests(i, 0)
	:: else -> rests(i, PAUSE)
	fi;
	job[i] = 0
}

/* systemd stops or restarts what is not stopped; queue-for-lock ends at once */
inline order(i, what) {
	if
	:: unit[i] == OUT
	:: else -> job[i] = (job[i] == STOPPED -> STOPPED : what);
		if :: up(i) -> told(i) :: unit[i] < OPENING -> follows(i) :: else fi
	fi
}

proctype Unit(byte i) {
	do
	:: d_step { unit[i] == RESTING && awake(i) && timer[i] == 0 -> unit[i] = LOOKING; gate[i] = 0;
		address[i] = (frozen[i] -> 0 : address[i]) }    /* the gate's service; one that runs has given it up */
	:: d_step { unit[i] == LOOKING && link[i] && ka[i] >= FAULT && reaches(i) && sees(i) != NONE ->
		unit[i] = QUEUED; mine[i] = sees(i) }
	:: d_step { unit[i] == QUEUED && reaches(i) && server == 0 && ha[mine[i]] == FREE ->
		if
		:: !link[i] || replaced(i) -> unit[i] = LOOKING
		:: else -> ha[mine[i]] = i; say(i, "holds ha.lock");
			if
			:: marked && has(MARKING) && mine[i] == 1 -> unit[i] = SETTLING; timer[i] = AGAIN
			:: else -> unit[i] = WAITING
			fi
		fi }
	:: d_step { unit[i] == SETTLING && timer[i] == 0 && reaches(i) ->
		if
		:: ha[mine[i]] == i -> unit[i] = WAITING; marked = 0
		:: else -> ends(i)      /* EIO: the server has given the lock away */
		fi }
	:: d_step { unit[i] == WAITING && reaches(i) && server == 0 && (own[own_name] == FREE || !has(SECOND)) ->
		if
		:: ha[mine[i]] == i && gate[i] != 2 -> unit[i] = OPENING; gate[i] = 1; say(i, "opens its gate");
			heart[i] = 1; quiet[i] = 0; lonely[i] = 0
		:: else -> ends(i)
		fi }
	:: d_step { unit[i] == OPENING && reaches(i) && server == 0 ->
		if
		:: own[own_name] == FREE -> own[own_name] = i; own_mine[i] = own_name; unit[i] = SERVING
		:: else -> if :: has(SECOND) -> ends(i) :: else -> unit[i] = SERVING fi
		fi;
		if :: unit[i] == SERVING -> say(i, "runs cranectld") :: else fi;
		check_one }
	/* the heartbeat */
	:: d_step { beats(i) && heart[i] && reaches(i) && quiet[i] >= BEAT ->
		if
		:: ha[mine[i]] != i -> say(i, "its lock is lost: SIGKILL"); closes(i); ends(i)
		:: ha[mine[i]] == i && sees(i) != NONE && replaced(i) ->
			say(i, "ha.lock was replaced: SIGKILL"); closes(i); ends(i)
		:: else -> quiet[i] = 0
		fi }
	:: d_step { looks(i) && (!link[i] || has(LONELY) && lonely[i] >= ADDRESS) ->
		say(i, "has no link, or no address: SIGTERM"); closes(i); told(i); heart[i] = 0 }
	:: d_step { looks(i) && sick[i] == LOOKS && has(WATCHING) -> say(i, "cranectld stands still: SIGKILL");
		closes(i); ends(i) }
	/* systemd */
	:: d_step { up(i) && awake(i) && has(FENCING) && quiet[i] >= WATCHDOG -> say(i, "watchdog: SIGKILL"); ends(i) }
	:: d_step { unit[i] == ENDING && awake(i) && (timer[i] == 0 || !calm && reaches(i) && !sick[i]) -> ends(i) }
	:: d_step { unit[i] == ENDED && awake(i) -> say(i, "cranectld has ended"); follows(i);
		if :: has(CLOSING) -> closes(i) :: else fi }
	od
}

proctype Keepalived(byte i) {
	do
	:: d_step { ka[i] == FAULT && runs(i) && fit(i) -> ka[i] = BACKUP }
	:: d_step { ka[i] == BACKUP && runs(i) && fit(i) && !hears(i) -> ka[i] = MASTER; address[i] = 1;
		say(i, "has the address") }
	:: d_step { ka[i] == MASTER && runs(i) && fit(i) && hears(i) && i == 1 -> ka[i] = BACKUP; address[i] = 0 }
	:: d_step { ka[i] > FAULT && runs(i) && !fit(i) -> ka[i] = FAULT; address[i] = 0;
		say(i, "gives the address up") }
	/* on_fault.sh, if it runs at all */
	:: d_step { ka[i] == FAULT && runs(i) && !calm && up(i) && gate[i] == 1 && !link[i] ->
		order(i, RESTARTED) }
	/* systemd */
	:: d_step { ka[i] == KDEAD && awake(i) -> ka[i] = KAGAIN; order(i, RESTARTED);
		address[i] = (has(CLEANING) -> 0 : address[i]) }
	:: d_step { ka[i] == KAGAIN && awake(i) && unit[i] < OPENING && !leaving[i] -> ka[i] = FAULT;
		if :: unit[i] == OUT -> rests(i, 0) :: else fi }
	:: d_step { leaving[i] && awake(i) && unit[i] == OUT -> ka[i] = KOUT; address[i] = 0;
		leaving[i] = 0; frozen[i] = 0 }
	od
}

#define left(i, k) (ha[k] == i && !(holds(i) && mine[i] == k) || own[k] == i && !(daemon(i) && own_mine[i] == k))
inline frees(i, k) {
	if :: ha[k] == i && (!holds(i) || mine[i] != k || quiet[i] >= SERVER_LEASE) -> ha[k] = FREE :: else fi;
	if :: own[k] == i && (!daemon(i) || own_mine[i] != k || quiet[i] >= SERVER_LEASE) -> own[k] = FREE :: else fi
}

proctype Server(byte i) {       /* what becomes of node i's locks: its process has ended, or its lease is over */
	do
	:: d_step { reaches(i) && (left(i, 0) || left(i, 1)) -> frees(i, 0); frees(i, 1) }
	:: d_step { server == 0 && owns(i) && quiet[i] >= SERVER_LEASE -> say(i, "its lease is over");
		frees(i, 0); frees(i, 1) }
	od
}

#include "trouble.pml"
