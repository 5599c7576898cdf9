"""cranectld ends, hangs, cannot start, cannot stop; on one node or on both."""

from __future__ import annotations

import os
import signal
import time

from lab.pair import SETTLED, Pair

CRANECTLD = "cranectld.service"
LIMIT = 15.0  # seconds for what a limit of the unit has to end: TimeoutStopSec is 2 s here, the watchdog's time 5 s
ALIVE = "cranectld/cranectld.alive"


def test_cranectld_that_ends_well_though_nobody_asked_it_to(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    kept.after(lambda: active.kill(CRANECTLD, signal.SIGTERM), served_by=standby)
    kept.wait_standby(active)


def test_cranectld_that_ends_well_before_it_is_ready(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    standby.standin(EXIT_BEFORE_READY=0)
    kept.after(lambda: active.kill(CRANECTLD), served_by=active)
    standby.standin()
    kept.wait_standby(standby)


def test_cranectld_that_can_start_on_neither_node_is_back_once_it_can(kept: Pair) -> None:
    lab = kept.lab
    for node in lab.nodes:
        node.standin(EXIT_BEFORE_READY=1)
    kept.active.kill(CRANECTLD)

    def restarts() -> list[int]:
        return [int(node.unit_property(CRANECTLD, "NRestarts")) for node in lab.nodes]

    lab.wait_until("both nodes have tried it twice", lambda: min(restarts()) >= 2, SETTLED)
    assert lab.client.served_by() == ""
    mended = time.monotonic()
    for node in lab.nodes:
        node.standin()
    lab.client.wait_served(5, since=mended)
    kept.wait_ready()


def test_both_nodes_lose_cranectld_and_the_queue_at_once(kept: Pair) -> None:
    processes = [(node, node.main_pid(CRANECTLD)) for node in kept.lab.nodes]
    for node, pid in processes:
        node.kill(pid)
    kept.lab.client.wait_served(SETTLED)
    kept.wait_ready()


def test_the_one_that_takes_over_crashes_before_it_is_ready(kept: Pair) -> None:
    lab, active, standby = kept.lab, kept.active, kept.standby
    standby.standin(START_SECONDS=3)
    active.kill(CRANECTLD)
    lab.wait_until(f"{standby} takes over", lambda: lab.active() is standby, 5)
    kept.after(lambda: standby.kill(CRANECTLD))
    kept.wait_ready()


def test_two_crashes_in_a_partition(kept: Pair) -> None:
    first, second = kept.active, kept.standby
    kept.lab.partition()
    kept.after(lambda: first.kill(CRANECTLD), served_by=second)
    kept.wait_standby(first)
    kept.after(lambda: second.kill(CRANECTLD), served_by=first)
    kept.lab.heal()
    kept.stays(first, 2)
    kept.wait_ready()


def test_cranectld_killed_on_both_nodes_faster_than_it_starts(kept: Pair) -> None:
    lab = kept.lab
    began = time.monotonic()
    while time.monotonic() - began < 4:
        active = lab.active()
        if active:
            active.kill(CRANECTLD)
        time.sleep(0.1)
    # both may rest by now, for a minute at most; a person need not wait
    for node in lab.nodes:
        lab.wait_until(f"{node}'s unit runs again", lambda n=node: n.unit_state(CRANECTLD) == "active", 5)  # type: ignore[misc]
        node.run(f"systemctl restart {CRANECTLD}")
    lab.client.wait_served(5)
    kept.wait_ready()


def test_cranectld_that_crashes_as_soon_as_it_is_ready_on_both_nodes(kept: Pair) -> None:
    lab = kept.lab
    for node in lab.nodes:
        node.standin(EXIT_AFTER=0.2)
    kept.active.kill(CRANECTLD)
    lab.wait_until("both have served", lambda: {a.node for a in lab.client.answers()} == {"node1", "node2"}, SETTLED)
    for node in lab.nodes:
        node.standin()
    kept.wait_ready()
    kept.stays(kept.active, 1.5)


def test_a_stop_that_takes_long_is_ended_at_its_limit(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    standby.standin(STOP_SECONDS=90)  # read by the cranectld that starts there next
    kept.after(lambda: active.kill(CRANECTLD), served_by=standby)
    kept.wait_standby(active)
    began = time.monotonic()
    standby.run(["systemctl", "restart", CRANECTLD], timeout=LIMIT)
    kept.lab.client.wait_served(LIMIT, by=active.name, since=began)
    assert "'stop-sigterm' timed out. Killing" in standby.journal(CRANECTLD)
    kept.wait_standby(standby)


def test_cranectld_stopped_by_a_signal_together_with_its_heartbeat(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    kept.after(lambda: active.run(f"systemctl kill --signal=STOP {CRANECTLD}") and None, served_by=standby)
    kept.wait_standby(active)


def test_cranectld_frozen_with_its_heartbeat_is_ended_by_the_watchdog(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    began = time.monotonic()
    active.run(["systemctl", "freeze", CRANECTLD])
    kept.lab.client.wait_served(LIMIT, by=standby.name, since=began)
    kept.wait_standby(active)


def test_an_alive_file_from_before_a_power_loss_and_of_root_is_gone_before_cranectld_is_ready(kept: Pair) -> None:
    lab, alive = kept.lab, kept.lab.shared / ALIVE
    for node in (kept.standby, kept.active):
        node.standin(START_SECONDS=3)
        node.power_off_hard()
    assert alive.exists()
    os.chown(alive, 0, 0)
    lab.start()
    lab.wait_until("a daemon starts", lab.active, SETTLED)
    assert not alive.exists()
    kept.wait_ready()
    assert alive.exists()
