"""What a person does to the units, and cranectld started without them."""

from __future__ import annotations

import time

import pytest

from lab.node import Node
from lab.pair import AS_CRANE, RESTART, SETTLED, Pair, start_by_hand

CRANECTLD, KEEPALIVED = "cranectld.service", "keepalived.service"


def status(node: Node) -> str:
    return node.unit_property(CRANECTLD, "StatusText")


# --- cranectld by hand ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("whose", "command"), [("active", AS_CRANE), ("standby", "/usr/bin/cranectld")])
def test_cranectld_by_hand_beside_the_pair_is_refused_and_moves_nothing(kept: Pair, whose: str, command: str) -> None:
    active = kept.active
    refused = {"active": active, "standby": kept.standby}[whose].run(command, check=False, timeout=10)
    assert refused.returncode == 1
    assert "another CraneCtld instance" in refused.stderr
    kept.stays(active, 1)


@pytest.mark.parametrize("number", [0, 1])
def test_cranectld_by_hand_before_the_pair_is_waited_for_and_its_node_named(kept: Pair, number: int) -> None:
    lab, node = kept.lab, kept.lab.nodes[number]
    start_by_hand(kept, node)
    for each in lab.nodes:
        each.run(["systemctl", "start", CRANECTLD])
    blocked = "held by a cranectld outside this pair"
    lab.wait_until("one node says what it waits for", lambda: any(blocked in status(n) for n in lab.nodes), SETTLED)
    assert lab.active() is node
    assert any(not kept.is_well(each) for each in lab.nodes)
    kept.after(lambda: node.run(["systemctl", "kill", "--signal=KILL", "by-hand"]) and None)
    kept.wait_ready()


# --- systemctl --------------------------------------------------------------------------------------------------------


def test_what_should_change_nothing_changes_nothing(kept: Pair) -> None:
    active = kept.active
    for node in kept.lab.nodes:
        for verb in ("start cranectld", "start keepalived", "reset-failed cranectld", "reload keepalived"):
            node.run(f"systemctl {verb}")
    kept.stays(active, 2)
    kept.wait_ready()


@pytest.mark.parametrize("name", ["TERM", "KILL"])
def test_the_whole_unit_of_the_active_node_sent_a_signal(kept: Pair, name: str) -> None:
    active, standby = kept.active, kept.standby
    kept.after(lambda: active.run(f"systemctl kill --signal={name} {CRANECTLD}") and None, served_by=standby)
    kept.wait_standby(active)


@pytest.mark.parametrize("how", ["kill", "kill --signal=KILL", "restart", "stop"])
def test_the_unit_of_the_standby_killed_restarted_or_stopped_moves_nothing(kept: Pair, how: str) -> None:
    active, standby = kept.active, kept.standby
    standby.run(f"systemctl {how} {CRANECTLD}")
    kept.stays(active, 2)
    if how != "stop":
        kept.wait_standby(standby)


def test_with_the_standby_stopped_by_hand_a_crashed_cranectld_starts_again_where_it_was(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    standby.run(["systemctl", "stop", CRANECTLD])
    kept.after(lambda: active.kill(CRANECTLD), served_by=active)
    assert standby.unit_state(CRANECTLD) == "inactive"
    standby.run(["systemctl", "start", CRANECTLD])
    kept.wait_standby(standby)


@pytest.mark.parametrize("unit", [CRANECTLD, KEEPALIVED])
def test_stopped_on_both_nodes_and_started_again(kept: Pair, unit: str) -> None:
    lab = kept.lab
    for node in lab.nodes:
        node.run(["systemctl", "stop", unit])
    assert lab.active() is None
    lab.wait_until("nobody has the address", lambda: not any(node.has_address() for node in lab.nodes), 2)
    assert [node.unit_state(CRANECTLD) for node in lab.nodes] == ["inactive"] * 2
    for node in lab.nodes:
        node.run(["systemctl", "start", unit])
    lab.client.wait_served(SETTLED)
    kept.wait_ready()


@pytest.mark.parametrize("unit", [CRANECTLD, KEEPALIVED])
def test_restarted_on_both_nodes_again_and_again(kept: Pair, unit: str) -> None:
    for pause in (0.0, 0.1, 0.4, 0.7, 1.1):
        for node in kept.lab.nodes:
            node.run(["systemctl", "--no-block", "restart", unit])
        time.sleep(pause)
    kept.lab.client.wait_served(SETTLED)
    kept.wait_ready()


def test_a_hand_over_there_and_back_at_once(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    kept.after(lambda: active.run(["systemctl", "restart", CRANECTLD]) and None, served_by=standby)
    kept.wait_standby(active)
    outage = kept.after(lambda: standby.run(["systemctl", "restart", CRANECTLD]) and None, served_by=active)
    assert RESTART < outage.seconds < 5
    kept.wait_ready()


def test_a_stop_while_the_node_takes_over_leaves_the_service_to_the_other_one(kept: Pair) -> None:
    lab, active, standby = kept.lab, kept.active, kept.standby
    standby.standin(START_SECONDS=5)
    active.kill(CRANECTLD)
    lab.wait_until(f"{standby} takes over", lambda: lab.active() is standby, 5)
    kept.after(lambda: standby.run(["systemctl", "stop", CRANECTLD]) and None, served_by=active)
    assert standby.unit_state(CRANECTLD) == "inactive"


def test_start_of_what_runs_already_moves_nothing(kept: Pair) -> None:
    active, gate = kept.active, "crane-keepalived-gate.service"
    for unit in (CRANECTLD, "keepalived"):
        for node in kept.lab.nodes:
            node.run(f"systemctl start {unit}")
    # systemd starts what cranectld's unit wants, too, and on an active node that would take the address away
    assert "was skipped because" in active.journal(gate)
    kept.stays(active, 4)
    assert kept.lab.active() is active
