"""Storage that fails, on real NFSv4, and a clock that jumps: a pair has never two daemons, and the service comes back.

The machine is the server, two containers in it are the nodes (pair.py). SELinux is permissive here, for it knows no
containers: that the product lives with it is test_life.py's to show. Every time is of the machine's monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .machine import Machine
from .pair import LEASE, LOCKS, SETTLED, TAKEOVER, WATCHDOG, Node, Pair

KILLED = "Watchdog timeout"


@pytest.fixture(scope="session")
def _two_nodes(the_machine: Machine) -> None:
    the_machine.restore("bare")
    Pair(the_machine).build()
    the_machine.save("two-nodes")


@pytest.fixture
def pair(the_machine: Machine, _two_nodes: None) -> Iterator[Pair]:
    """One node serves, the other stands by, the storage is well."""
    the_machine.restore("two-nodes")
    pair = Pair(the_machine)
    pair.wait_ready()
    yield pair
    pair.never_two()


def fenced(node: Node, cut: float) -> float:
    """The daemon that lost its storage is killed by the watchdog, which says so. Returns when."""
    killed = node.said(KILLED, cut)
    print(f"killed {killed - cut:.1f} s after the cut")
    assert killed - cut < WATCHDOG + 2
    node.said("Failed with result 'watchdog'", cut)
    return killed


def takes_over(pair: Pair, new: Node, after: float) -> float:
    """The node has the lock within moments of the server's letting go of it, and serves. Returns when it was free."""
    freed, taken = pair.moved(new, after)
    print(f"freed {freed - after:.1f} s after the fault, taken {taken - freed:.2f} s later")
    assert taken - freed < TAKEOVER, pair.diagnosis()
    pair.wait_active(new)
    return freed


def outlast_lease(pair: Pair, since: float) -> None:
    """Wait until a lease that was renewed last at this time is over, and the server has had a moment for it."""
    pair.machine.wait_until("the lease is over", lambda: pair.now() > since + LEASE + 5, SETTLED)


def test_cut_off_from_the_active_node_alone(pair: Pair) -> None:
    old, new = pair.roles()
    cut = old.cut_storage()
    killed = fenced(old, cut)
    freed = takes_over(pair, new, cut)
    assert killed < freed - LEASE / 3
    old.forget_writes()
    written = pair.written()
    pair.mend_storage()
    pair.wait_standby(old)
    assert new.is_active()
    pair.never_two(written)


def test_cut_off_from_both(pair: Pair) -> None:
    old, new = pair.roles()
    cut = old.cut_storage()
    new.cut_storage()
    fenced(old, cut)
    outlast_lease(pair, cut)
    old.forget_writes()
    written = pair.written()
    pair.mend_storage()
    pair.wait_ready()
    pair.never_two(written)


def test_the_server_restarts(pair: Pair) -> None:
    old, new = pair.roles()
    written = pair.written()
    restarted = pair.now()
    pair.machine.run("systemctl restart nfs-server.service")
    # NFSv4's own grace ends when both nodes have claimed their locks again; that of NFSv3, which counts too, does not
    over = "cat /proc/fs/nfsd/v4_end_grace /proc/fs/lockd/nlm_end_grace"
    pair.machine.wait_until("its grace is over", lambda: pair.machine.run(over).stdout.count("Y") == 2, SETTLED)
    pair.wait_ready()
    print(f"ready {pair.now() - restarted:.1f} s after the restart")
    assert old.is_active(), "nobody else has the lock"
    pair.never_two(written)
    # who waited for the lock before the restart is forgotten by the server, but must have it as soon as it is free
    takes_over(pair, new, old.kill_daemon())


def test_power_loss_of_the_active_node(pair: Pair) -> None:
    old, new = pair.roles()
    lost = old.power_off_hard()
    freed = takes_over(pair, new, lost)
    assert freed - lost < LEASE + 5
    pair.never_two()


def test_both_lock_files_are_lost_and_made_again(pair: Pair) -> None:
    """The worst case of a lock that leads to another file: the NFS client has just learnt the old one's name, and may
    go by it for a minute; and cranectld.lock is lost, too."""
    old, new = pair.roles()
    new.run("systemctl restart cranectld.service")
    pair.wait_standby(new)
    before = pair.now()
    pair.machine.run(f"cd {LOCKS} && mv ha.lock lost.ha && mv cranectld.lock lost.cranectld")
    new.run("crane-ha-setup --create-lock --yes")
    made = pair.made(f"{LOCKS}/ha.lock")
    noticed = old.said("ha.lock was replaced", before)
    print(f"noticed {noticed - made:.1f} s after it was made")
    assert noticed - made < WATCHDOG
    pair.wait_ready()


def test_the_clock_jumps_by_an_hour_and_back_by_two(pair: Pair) -> None:
    old, new = pair.roles()
    for jump in ("+1 hour", "-2 hours"):
        jumped = pair.now()
        pair.machine.run(["date", f"--set={jump}"])
        outlast_lease(pair, jumped)
        assert old.is_active(), pair.diagnosis()
        assert new.stands_by(), pair.diagnosis()
        for node in pair.nodes:
            node.run("crane-ha status")
        takes_over(pair, new, old.kill_daemon())
        pair.wait_standby(old)
        old, new = new, old
