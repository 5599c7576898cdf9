"""The longest gap between two answers that a client sees who asks every 10 ms, after each fault.

Every run begins with the disks as they were saved, both nodes powered on, and the set-up ready.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.client import NORMAL_GAP
from lab.lab import Lab
from lab.node import Node
from lab.waiting import STEP

from .peers import Pacemaker, Peer

LIMIT = 25.0  # seconds after which an outage counts as one without end
NEVER = float("inf")
ENOUGH = 2  # runs of that, in a row
SAVED = "ready"
HANGS = 15  # seconds of good service before the stand-in hangs; a booted set-up is ready and settled by then
SETTLES = 2.0  # seconds for what a start leaves to be done, as a notify script that still runs
PHASE = 2.0  # seconds between two looks of whoever looks, ours or the guide's: a fault comes at any moment between them
AWAY = 6.0  # seconds of a partition, and of a lease


@dataclass(frozen=True)
class Fault:
    """What is done to a lab that is ready. After it, and after each gap that follows, the client watches for `watch`
    seconds: a second outage counts as well, and the longest is told."""

    name: str
    do: Callable[[Peer, Lab, Node], object]
    watch: float = 4.0
    hangs: bool = False  # by itself: the stand-in that serves first


def by_hand(line: str) -> Callable[[Peer, Lab, Node], object]:
    """A command on the active node."""
    return lambda _peer, _lab, node: node.run(line, check=False)


def kill_corosync(peer: Peer, _lab: Lab, node: Node) -> None:
    assert isinstance(peer, Pacemaker)
    peer.kill_corosync(node)


def partition(_peer: Peer, lab: Lab, _node: Node) -> None:
    """The nodes do not hear each other for a while; the client reaches both."""
    lab.partition()
    time.sleep(AWAY)
    lab.heal()


def wait_for_hang(_peer: Peer, lab: Lab, _node: Node) -> None:
    """Until nobody has been answered for longer than a busy host makes a client wait."""

    def hangs() -> bool:
        return any(gap.end is None for gap in lab.client.outages(longer=0.5))

    lab.wait_until("cranectld hangs", hangs, HANGS + PHASE + 5)


def lose_power_under_lease(_peer: Peer, lab: Lab, node: Node) -> None:
    """The storage keeps the dead node's locks for a while."""
    lab.hold_lock_after_death(node)
    node.power_off_hard()
    time.sleep(AWAY)
    lab.release_lock()


def restart_what_cannot_start(_peer: Peer, _lab: Lab, node: Node) -> None:
    node.standin(EXIT_BEFORE_READY=1)
    node.run("systemctl restart cranectld", check=False)


def boot_apart(_peer: Peer, lab: Lab, node: Node) -> None:
    """The node that stands by boots while it cannot hear the other one, and then hears it."""
    (other,) = (each for each in lab.nodes if each is not node)
    other.power_off_hard()
    lab.partition()
    other.start()
    time.sleep(AWAY)
    lab.heal()


def come_back(peer: Peer, lab: Lab, node: Node) -> None:
    """The node is powered on, and all is as it was before the loss, or it has had its time."""
    node.start()
    deadline = time.monotonic() + LIMIT
    while not peer.is_ready(lab) and time.monotonic() < deadline:
        time.sleep(STEP)


ONLY_PACEMAKER = "kill -9 corosync"
POWER_ON = "power on of both nodes, to the first answer"
RETURN = "clean return of the node that lost its power"
FAULTS = (
    Fault("kill -9 cranectld", lambda _, __, node: node.kill()),
    Fault("power loss of the active node, lock freed at once", lambda _, __, node: node.power_off_hard()),
    Fault("power loss of the active node, lock freed after 6 s", lose_power_under_lease),
    Fault("reboot of the active node, by reboot -ff", by_hand("systemctl reboot -ff")),
    Fault("link of the active node cut", lambda _, __, node: node.link(False)),
    Fault("systemctl stop keepalived (pcs cluster stop)", lambda peer, _, node: peer.stop(node)),
    Fault("kill -9 keepalived (pacemakerd)", lambda peer, _, node: peer.kill(node), watch=6),
    Fault(ONLY_PACEMAKER, kill_corosync, watch=10),
    Fault("planned switchover: systemctl restart cranectld (pcs node standby)", lambda p, _, node: p.hand_over(node)),
    Fault("systemctl stop cranectld", by_hand("systemctl stop cranectld")),
    Fault("cranectld restarted, and cannot start there", restart_what_cannot_start),
    Fault("boot of the other node in a partition of 6 s, then healing", boot_apart, watch=10),
    Fault("partition of 6 s, then healing", partition, watch=10),
    Fault("cranectld stopped by SIGSTOP", lambda _, __, node: node.kill(number=signal.SIGSTOP)),
    Fault("cranectld hung: port open, nobody taken in", wait_for_hang, hangs=True),
    Fault(RETURN, come_back, watch=10),
    Fault(POWER_ON, lambda *_: None),
)


def applies(fault: Fault, peer: Peer) -> bool:
    return fault.name != ONLY_PACEMAKER or isinstance(peer, Pacemaker)


def measure(peer: Peer, lab: Lab, fault: Fault) -> float:
    """One run, in seconds; infinite when the client is not answered again. Raises AssertionError when the set-up was
    not even ready for the fault."""
    lab.restore(SAVED)
    phase = random.uniform(0, PHASE)  # noqa: S311 - chance, no secret
    for node in lab.nodes if fault.hangs else ():
        lab.run(f"echo HANG_AFTER={HANGS + phase} >{node.disk}/root/etc/crane/standin.conf")
    if fault.name == POWER_ON:
        return first_answer(lab)
    lab.start()
    peer.wait_ready(lab)
    time.sleep(SETTLES + phase)
    active = lab.active()
    assert active, "nobody serves"
    for node in lab.nodes if fault.hangs else ():
        node.run("rm /etc/crane/standin.conf")  # who takes over is well
    began = time.monotonic()
    if fault.name == RETURN:
        began = lose(lab, active)
    fault.do(peer, lab, active)
    return longest_gap(lab, began, fault.watch)


def first_answer(lab: Lab) -> float:
    """Seconds from the power button of the first node on; the second's is pressed some 0.1 s later."""
    began = time.monotonic()
    for node in lab.nodes:
        node.power_on()
    while not lab.client.answers(began):
        if time.monotonic() - began > LIMIT:
            return NEVER
        time.sleep(STEP)
    return lab.client.answers(began)[0].done - began


def lose(lab: Lab, active: Node) -> float:
    """The node loses its power and the other one serves. Returns the time from which on a gap is due to its return."""
    active.power_off_hard()
    lab.client.wait_served(LIMIT)
    time.sleep(5)
    lab.client.wait_served(LIMIT)
    return time.monotonic()


def longest_gap(lab: Lab, began: float, watch: float) -> float:
    """Of those since a moment. Returns when the client has been answered without a gap for `watch` seconds."""
    client, done = lab.client, time.monotonic()
    while time.monotonic() - done < 3 * LIMIT:
        time.sleep(0.1)
        now = time.monotonic()
        gaps = client.outages(began, NORMAL_GAP)
        if not client.served_by():
            if now - max([done, *(gap.start for gap in gaps)]) > LIMIT:
                return NEVER
        elif now - max([done, *(gap.end or now for gap in gaps)]) > watch:
            break
    return client.outage(began)
