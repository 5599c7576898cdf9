"""The table of faults: what each does to a node, what it leaves standing until it is mended, what it cannot go with.

plan.py decides by this table alone, so that a seed is one sequence of decisions whatever the lab does meanwhile; who
changes the table changes what a seed means.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Callable

from ..network import INTERFACE, VIP
from ..node import DAEMON
from . import mending
from .harm import (
    KILL,
    STOP,
    TERM,
    Do,
    add_check,
    busy,
    cut_apart,
    cut_power,
    cut_power_in_reboot,
    cut_power_with_lease,
    delete_locks,
    fill_run,
    flap,
    knobs,
    lock_of_root,
    on_both,
    other_lock,
    pull_cable,
    reboot,
    replace_lock,
    set_up_again,
    shell,
    shut_down,
    to_beside,
    to_main,
    to_vrrp,
)
from .site import GATE, KEEPALIVED, Site


@dataclass(frozen=True)
class Standing:
    """What stays until it is mended.

    `impairs`: this node cannot serve, or not for long. `storage`: no node can, or none can take over. `dark`: the node
    is off or about to be. `late`: mended last. `out`: the unit is not started again by itself. `deaf`: nobody sees the
    gate close; with `out` a known limit lets the address stay when the daemon has gone.
    """

    name: str
    mend: Callable[[Site], object]
    impairs: bool = True
    storage: bool = False
    dark: bool = False
    late: bool = False
    out: bool = False
    deaf: bool = False


@dataclass(frozen=True)
class Fault:
    """One way to break a node. `bars`: not while one of these stands on it; what it leaves itself always does.

    `anywhere`: what it leaves stands for both nodes. `both`: it is done to both, and leaves what it leaves on both.
    `dark`: it also happens to a node that is off. `storage`: it needs the lock file in its place. `active`: only to the
    node that is active when the round begins.
    """

    name: str
    do: Do
    leaves: tuple[Standing, ...] = ()
    bars: tuple[Standing, ...] = ()
    anywhere: bool = False
    both: bool = False
    dark: bool = False
    storage: bool = False
    active: bool = False


def frozen(name: str, *, impairs: bool = True, deaf: bool = False) -> Standing:
    return Standing(name, partial(mending.thaw, name), impairs=impairs, deaf=deaf)


OFF = Standing("off", mending.power, dark=True)
REBOOTS = Standing("reboots", mending.await_reboot, dark=True)
LEASE = Standing("lock held by a lease", mending.release, impairs=False, storage=True)
NO_CABLE = Standing("no cable", mending.plug)
SWITCHED_OFF = Standing("interface off", mending.switch_on)
PARTITION = Standing("partition", mending.heal, impairs=False)
OUT = Standing("cranectld stopped by hand", mending.start_units, out=True)
ALONE = Standing("keepalived stopped by hand", mending.start_units, out=True)
FROZEN_MAIN = frozen("cranectld frozen")
FROZEN_BESIDE = frozen("process beside cranectld frozen", impairs=False)
FROZEN_KEEPALIVED = frozen("keepalived frozen", deaf=True)
FROZEN_VRRP = frozen("keepalived's vrrp process frozen", deaf=True)
BROKEN = Standing("cranectld cannot live", mending.usual_daemon)
SLOW = Standing("cranectld slow", mending.usual_daemon, impairs=False)
CHECK_FAILS = Standing("check fails", mending.remove_check)
NO_LOCK = Standing("lock file deleted", mending.make_lock, impairs=False, storage=True, late=True)
NO_LOCKS = Standing("both lock files deleted", mending.make_locks, impairs=False, storage=True, late=True)
OTHER_LOCK = Standing("lock file of another cluster", mending.put_lock_back, impairs=False, storage=True)
ROOTS_LOCK = Standing("lock file of root's", mending.give_lock_back, impairs=False, storage=True)
STRAY = Standing("cranectld started by hand", mending.stop_stray, impairs=False, storage=True)
NOT_WITH_NO_LOCK = (NO_LOCK, NO_LOCKS, OTHER_LOCK, ROOTS_LOCK, LEASE)
BUSY = Standing("16 busy loops", mending.await_idle, impairs=False)
FULL = Standing("/run is full", mending.empty_run)
SETUP = Standing("crane-ha-setup runs", mending.await_setup, impairs=False)


# --- the faults -------------------------------------------------------------------------------------------------------

BY_HAND = "systemd-run --collect --unit=chaos-stray --quiet --uid=crane --gid=crane cranectld"
ALIVE = "/var/crane/cranectld/cranectld.alive"

FAULTS = (
    # the daemon, or what queues for it
    Fault("cranectld killed", to_main(KILL)),
    Fault("cranectld terminated", to_main(TERM)),
    Fault("cranectld frozen", to_main(STOP, FROZEN_MAIN.name), (FROZEN_MAIN,)),
    Fault("cranectld flaps", flap),
    Fault("cranectld killed on both nodes", on_both(to_main(KILL)), both=True),
    Fault("every process of cranectld's unit killed", shell(f"systemctl kill --signal=KILL {DAEMON}")),
    Fault("every process of cranectld's unit terminated", shell(f"systemctl kill {DAEMON}")),
    Fault("cranectld restarted", shell(f"systemctl --no-block restart {DAEMON}")),
    Fault("cranectld stopped by hand", shell(f"systemctl --no-block stop {DAEMON}"), (OUT,)),
    Fault("cranectld started by hand", shell(BY_HAND), (STRAY,), (NO_LOCKS,), anywhere=True),
    Fault("process beside cranectld killed", to_beside(KILL)),
    Fault("process beside cranectld frozen", to_beside(STOP, FROZEN_BESIDE.name), (FROZEN_BESIDE,)),
    Fault("cranectld cannot start", knobs(True, EXIT_BEFORE_READY=lambda dice: int(dice * 3)), (BROKEN,), (SLOW,)),
    Fault("cranectld crashes", knobs(True, EXIT_AFTER=lambda dice: round(dice * 3, 1)), (BROKEN,), (SLOW,)),
    Fault("cranectld hangs", knobs(True, HANG_AFTER=lambda dice: round(dice * 3, 1)), (BROKEN,), (SLOW,)),
    Fault("cranectld ignores SIGTERM", knobs(True, IGNORE_SIGTERM=lambda _: 1), (SLOW,), (BROKEN,)),
    Fault("cranectld stops slowly", knobs(False, STOP_SECONDS=lambda dice: 1 + int(dice * 8)), (SLOW,), (BROKEN,)),
    Fault("cranectld starts slowly", knobs(True, START_SECONDS=lambda dice: 1 + int(dice * 5)), (SLOW,), (BROKEN,)),
    # keepalived
    Fault("keepalived killed", to_main(KILL, unit=KEEPALIVED)),
    Fault("keepalived terminated", to_main(TERM, unit=KEEPALIVED)),
    Fault("keepalived's vrrp process killed", to_vrrp(KILL)),
    Fault("every process of keepalived's unit killed", shell(f"systemctl kill --signal=KILL {KEEPALIVED}")),
    Fault("keepalived frozen", to_main(STOP, FROZEN_KEEPALIVED.name, KEEPALIVED), (FROZEN_KEEPALIVED,)),
    Fault("keepalived's vrrp process frozen", to_vrrp(STOP, FROZEN_VRRP.name), (FROZEN_VRRP,)),
    Fault("keepalived reloaded", shell(f"systemctl --no-block reload {KEEPALIVED}")),
    Fault("keepalived restarted", shell(f"systemctl --no-block restart {KEEPALIVED}")),
    Fault("keepalived stopped by hand", shell(f"systemctl --no-block stop {KEEPALIVED}"), (ALONE,)),
    # the network
    Fault("cable pulled", pull_cable, (NO_CABLE,), dark=True),
    Fault("partition", cut_apart, (PARTITION,), anywhere=True, dark=True),
    Fault("interface switched off", shell(f"ip link set dev {INTERFACE} down"), (SWITCHED_OFF,)),
    Fault("address taken away by hand", shell(f"ip address delete {VIP}/32 dev {INTERFACE}"), active=True),
    # the power
    Fault("power cut", cut_power, (OFF,)),
    Fault("power cut, lock held by a lease", cut_power_with_lease, (OFF, LEASE), storage=True, active=True),
    Fault("power cut in a reboot", cut_power_in_reboot, (OFF,)),
    Fault("power cut on both nodes", on_both(cut_power), (OFF,), both=True),
    Fault("shut down", shut_down, (OFF,)),
    Fault("rebooted", reboot("systemctl reboot"), (REBOOTS,)),
    Fault("rebooted at once", reboot("systemctl reboot -ff"), (REBOOTS,)),
    # systemd
    Fault("systemd reloads", shell("systemctl daemon-reload")),
    Fault("systemd executes itself anew", shell("systemctl daemon-reexec")),
    # files
    Fault("gate deleted", shell(f"rm -f {GATE}")),
    Fault("gate emptied", shell(f": >{GATE}")),
    Fault("gate unreadable", shell(f"chmod 0 {GATE}")),
    Fault("notes of keepalived's scripts removed", shell("rm -rf /run/crane-keepalived")),
    Fault("stale alive file", shell(f"umask 77; : >{ALIVE}")),
    Fault("lock file deleted", delete_locks("ha.lock"), (NO_LOCK,), NOT_WITH_NO_LOCK, anywhere=True),
    Fault(
        "both lock files deleted",
        delete_locks("ha.lock", "cranectld.lock"),
        (NO_LOCKS,),
        # until the next beat cranectld's own lock keeps nobody out: two, as test_faults_files.py has it
        (*NOT_WITH_NO_LOCK, STRAY),
        anywhere=True,
    ),
    Fault("lock file replaced", replace_lock, bars=(LEASE,), storage=True),
    Fault(
        "lock file of another cluster",
        other_lock,
        (OTHER_LOCK,),
        (NO_LOCK, NO_LOCKS, LEASE),
        anywhere=True,
        storage=True,
    ),
    Fault("lock file given to root", lock_of_root, (ROOTS_LOCK,), (LEASE,), anywhere=True, storage=True),
    # the rest
    Fault("/run fills up", fill_run, (FULL,)),
    Fault("16 busy loops", busy, (BUSY,)),
    Fault("check fails", add_check("exit 1"), (CHECK_FAILS,)),
    Fault("check hangs", add_check("sleep 600"), (CHECK_FAILS,)),
    Fault("crane-ha-setup with another priority", set_up_again, (SETUP,)),
)
