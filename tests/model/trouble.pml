/* What may go wrong around failover.pml, the clock, and what must be true all the same. */

/* seconds; test_model.py hands them in */
#ifndef ALONE
#define ALONE    (ADDRESS + WATCHDOG + STOP)    /* TOGETHER: how long a daemon may be without the address */
#endif
#ifndef GONE
#define GONE     (LEASE + AGAIN)                /* BACK: how long there may be no service though a node could serve */
#endif

/* faults */
#define CRASH    1              /* cranectld ends by itself, or at once */
#define HANG     2              /* cranectld is stopped by a signal */
#define HEART    4              /* its heartbeat dies */
#define POWER    8              /* a node loses its power */
#define LINK     16             /* a node's link goes down */
#define PART     32             /* the nodes do not hear each other */
#define STORAGE  64             /* a node loses the storage, and the server that node */
#define SERVER   128            /* the server restarts */
#define KILLED   256            /* keepalived is killed */
#define LEAVES   512            /* the administrator stops keepalived, */
#define STOPS    1024           /* ... stops cranectld, */
#define RESTARTS 2048           /* ... restarts it */
#define FROZEN   4096           /* keepalived hangs */
#define HAND     8192           /* a cranectld outside the pair, on a third machine */
#define GATE     16384          /* somebody removes the gate file, */
#define DELETE   32768          /* ... ha.lock, */
#define WIPE     65536          /* ... all lock files, */
#define COPY     131072         /* ... puts a copy in ha.lock's place, */
#define COPIES   262144         /* ... copies in the place of all lock files */
#define STILL    524288         /* a machine stands still as a whole */
#define hit(fault) (!calm && n > 0 && (FAULTS) & fault)

#define serves(i)  (awake(i) && unit[i] == SERVING && !sick[i] && address[i] && link[i] && !address[other(i)])
#define could(i)   (reaches(i) && link[i] && runs(i) && !leaving[i] && unit[i] != OUT && job[i] != STOPPED && \
                    name != NONE && own[own_name] != OTHER)

#define breaks(text) n--; gone = 0; say(i, text)
#define mends(text) gone = 0; say(i, text)

proctype Trouble(byte i) {
	do
	:: d_step { hit(CRASH) && awake(i) && unit[i] >= SETTLING && unit[i] <= SERVING -> breaks("CRASH"); ends(i) }
	:: d_step { hit(HANG) && awake(i) && unit[i] == SERVING && !sick[i] -> breaks("HANG"); sick[i] = 1 }
	:: d_step { hit(HEART) && awake(i) && heart[i] -> breaks("HEART"); heart[i] = 0 }
	:: d_step { hit(KILLED) && awake(i) && ka[i] >= FAULT -> breaks("KILLED"); ka[i] = KDEAD; frozen[i] = 0 }
	:: d_step { hit(LEAVES) && awake(i) && ka[i] >= FAULT && !leaving[i] -> breaks("LEAVES"); leaving[i] = 1;
		order(i, STOPPED) }
	:: d_step { hit(STOPS) && awake(i) && unit[i] != OUT -> breaks("STOPS"); order(i, STOPPED) }
	:: d_step { !calm && awake(i) && unit[i] == OUT && !leaving[i] -> mends("is started"); rests(i, 0);
		ka[i] = (ka[i] == KOUT -> FAULT : ka[i]) }
	:: d_step { hit(RESTARTS) && awake(i) && unit[i] != OUT -> breaks("RESTARTS"); order(i, RESTARTED) }
	:: d_step { hit(FROZEN) && awake(i) && ka[i] >= FAULT && !frozen[i] -> breaks("FROZEN"); frozen[i] = 1 }
	:: d_step { !calm && frozen[i] -> mends("keepalived goes on"); frozen[i] = 0 }
	:: d_step { hit(GATE) && awake(i) && gate[i] != 2 -> breaks("GATE"); gate[i] = 2 }
	:: d_step { hit(POWER) && awake(i) -> breaks("POWER"); on[i] = 0; rests(i, 0); gate[i] = 0;
		ka[i] = FAULT; address[i] = 0; frozen[i] = 0; leaving[i] = 0; job[i] = 0;
		lonely[i] = 0; sick[i] = 0; heart[i] = 0 }
	:: d_step { hit(STILL) && awake(i) -> breaks("STILL"); on[i] = STANDS }
	:: d_step { !calm && !awake(i) -> mends("is on"); on[i] = 1 }
	:: d_step { hit(LINK) && link[i] -> breaks("LINK"); link[i] = 0 }
	:: d_step { !calm && !link[i] -> mends("has its link"); link[i] = 1 }
	:: d_step { hit(STORAGE) && wire[i] -> breaks("STORAGE"); wire[i] = 0 }
	:: d_step { !calm && !wire[i] -> mends("has the storage"); wire[i] = 1 }
	:: d_step { !calm && name == NONE && reaches(i) -> mends("crane-ha-setup --create-lock");
		order(i, RESTARTED); name = 1; marked = 1; stale[other(i)] = NAMES }
	/* what is no single node's */
	:: d_step { hit(PART) && i == 0 && !part -> breaks("PART"); part = 1 }
	:: d_step { !calm && i == 0 && part -> mends("hears node 2 again"); part = 0 }
	:: d_step { hit(SERVER) && i == 0 && server == 0 -> breaks("SERVER"); server = 1 }
	:: d_step { !calm && i == 0 && server == 1 && has(GRACE) -> mends("the server is back");
		server = SERVER_LEASE + 1 }
	:: d_step { !calm && i == 0 && server == 1 && !has(GRACE) -> mends("the server is back, and has forgotten");
		server = 0; ha[0] = FREE; ha[1] = FREE; own[0] = FREE; own[1] = FREE }
	:: d_step { hit(HAND) && i == 0 && server == 0 && own[own_name] == FREE -> breaks("HAND");
		own[own_name] = OTHER; check_one }
	:: d_step { !calm && i == 0 && (own[0] == OTHER || own[1] == OTHER) -> mends("HAND ends");
		own[0] = (own[0] == OTHER -> FREE : own[0]); own[1] = (own[1] == OTHER -> FREE : own[1]) }
	:: d_step { hit(DELETE) && i == 0 && name == 0 -> breaks("DELETE"); name = NONE }
	:: d_step { hit(WIPE) && i == 0 && name == 0 -> breaks("WIPE"); name = NONE; own_name = 1 }
	:: d_step { hit(COPY) && i == 0 && name == 0 -> breaks("COPY"); name = 1; marked = 1 }
	:: d_step { hit(COPIES) && i == 0 && name == 0 -> breaks("COPIES"); name = 1; marked = 1; own_name = 1 }
	od
}

inline ticks(i) {       /* a node that stands still gets no older, its lease does */
	timer[i] = (timer[i] && awake(i) -> timer[i] - 1 : timer[i]);
	quiet[i] = (owns(i) && (beats(i) || !reaches(i)) -> quiet[i] + (quiet[i] < LEASE) : 0);
	lonely[i] = (beats(i) && !address[i] -> lonely[i] + (lonely[i] <= ALONE) : 0);
	sick[i] = sick[i] + (sick[i] && sick[i] < LOOKS);
	stale[i] = stale[i] - (stale[i] > 0);
#ifdef TOGETHER
	assert(!address[i] || unit[i] >= OPENING || !awake(i) || frozen[i] && has(EXCUSED));
	assert(lonely[i] <= ALONE)
#endif
}

proctype Clock() {
	do
	:: d_step { !calm -> calm = 1 }
	:: timeout ->           /* nothing else can happen: what takes no second has happened */
progress:	d_step { printf("tick\n"); calm = 0;
			ticks(0); ticks(1);
			server = (server > 1 -> (server == 2 -> 0 : server - 1) : server);
			gone = ((could(0) || could(1)) && !serves(0) && !serves(1) -> gone + 1 : 0);
#ifdef BACK
			assert(gone <= GONE)
#else
			gone = 0
#endif
		}
	od
}

init {
	atomic {
		run Unit(0); run Unit(1); run Keepalived(0); run Keepalived(1); run Server(0); run Server(1);
		run Trouble(0); run Trouble(1); run Clock()
	}
}
