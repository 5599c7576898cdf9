"""Machines that reboot and lose their power in every state, and cables with a bad contact."""

from __future__ import annotations

import time

import pytest

from lab.pair import FAILURES, SETTLED, Pair, start_by_hand

CRANECTLD = "cranectld.service"


@pytest.mark.parametrize("first", [0, 1])
def test_both_nodes_powered_off_and_on_one_after_the_other(kept: Pair, first: int) -> None:
    lab = kept.lab
    early, late = lab.nodes[first], lab.nodes[1 - first]
    for node in (early, late):
        node.power_off_hard()
    kept.after(early.power_on, served_by=early)
    late.start()
    kept.wait_standby(late)
    kept.stays(early, 2)


def test_both_nodes_shut_down_one_after_the_other_and_powered_on_at_once(kept: Pair) -> None:
    for node in (kept.active, kept.standby):
        node.power_off()
    for node in kept.lab.nodes:
        node.power_on()
    kept.lab.client.wait_served(SETTLED)
    kept.wait_ready()


@pytest.mark.parametrize("how", ["reboot", "reboot -ff"])
def test_a_reboot_of_the_standby_moves_nothing(kept: Pair, how: str) -> None:
    active, standby = kept.active, kept.standby
    boots, began = standby.boots, time.monotonic()
    standby.run(f"systemctl {how}", check=False)
    standby.wait_rebooted(boots)
    kept.wait_standby(standby)
    assert kept.lab.client.outage(began) < 0.25
    assert kept.active is active


@pytest.mark.parametrize("how", ["reboot", "reboot -ff"])
def test_a_reboot_of_the_node_that_takes_over(kept: Pair, how: str) -> None:
    lab, active, standby = kept.lab, kept.active, kept.standby
    standby.standin(START_SECONDS=5)
    boots = standby.boots
    active.kill(CRANECTLD)
    lab.wait_until(f"{standby} takes over", lambda: lab.active() is standby, 5)
    kept.after(lambda: standby.run(f"systemctl {how}", check=False) and None)  # by whoever is there first
    standby.wait_rebooted(boots)
    kept.wait_ready()


@pytest.mark.parametrize("how", ["reboot", "reboot -ff"])
def test_a_reboot_of_a_node_that_rests_after_failures(kept: Pair, how: str) -> None:
    lab, active, standby = kept.lab, kept.active, kept.standby
    standby.run(f"echo 6 $(cut -d. -f1 /proc/uptime) >{FAILURES}")
    standby.kill(CRANECTLD)
    lab.wait_until("it rests", lambda: standby.says("failed here 6 times in a row: queues again after 900 s"), 10)
    boots = standby.boots
    standby.run(f"systemctl {how}", check=False)
    standby.wait_rebooted(boots)
    kept.wait_standby(standby)
    assert kept.active is active


@pytest.mark.parametrize("how", ["reboot", "reboot -ff"])
def test_a_reboot_of_a_node_that_waits_for_a_cranectld_started_by_hand(kept: Pair, how: str) -> None:
    lab, waits = kept.lab, kept.active
    start_by_hand(kept, kept.standby)
    (elsewhere,) = (node for node in lab.nodes if node is not waits)
    waits.run(["systemctl", "start", CRANECTLD])
    lab.wait_until("it waits", lambda: waits.says("held by a cranectld outside this pair"), SETTLED)
    boots = waits.boots
    waits.run(f"systemctl {how}", check=False)
    waits.wait_rebooted(boots)
    assert lab.active() is elsewhere
    kept.after(lambda: elsewhere.run(["systemctl", "kill", "--signal=KILL", "by-hand"]) and None, served_by=waits)
    elsewhere.run(["systemctl", "start", CRANECTLD])
    kept.wait_ready()


def test_both_nodes_rebooted_at_once(kept: Pair) -> None:
    boots = [node.boots for node in kept.lab.nodes]
    for node in kept.lab.nodes:
        node.run("systemctl reboot", check=False)
    for node, before in zip(kept.lab.nodes, boots):
        node.wait_rebooted(before)
    kept.wait_ready()


def test_the_active_node_lost_while_the_other_one_boots(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    standby.power_off_hard()
    standby.power_on()
    kept.after(active.power_off_hard, served_by=standby)
    active.start()
    kept.wait_standby(active)


def test_power_lost_by_both_while_one_takes_over(kept: Pair) -> None:
    lab, active, standby = kept.lab, kept.active, kept.standby
    standby.standin(START_SECONDS=5)
    active.power_off_hard()
    lab.wait_until(f"{standby} takes over", lambda: lab.active() is standby, 5)
    standby.power_off_hard()
    kept.after(active.power_on, served_by=active)
    standby.start()
    kept.wait_standby(standby)


@pytest.mark.parametrize("whose", ["active", "standby", "both"])
def test_a_cable_with_a_bad_contact(kept: Pair, whose: str) -> None:
    lab, active = kept.lab, kept.active
    flapping = {"active": [active], "standby": [kept.standby], "both": lab.nodes}[whose]
    for down, up in ((0.05, 0.05), (0.2, 0.3), (0.05, 1.0), (0.6, 0.1), (0.1, 0.2)):
        for node in flapping:
            node.link(False)
        time.sleep(down)
        for node in flapping:
            node.link(True)
        time.sleep(up)
    if whose == "standby":
        kept.stays(active, 1)
    lab.client.wait_served(10)
    kept.wait_ready()


def test_a_partition_that_comes_and_goes_moves_nothing(kept: Pair) -> None:
    active, began = kept.active, time.monotonic()
    for seconds in (0.1, 0.4, 1.0, 0.3):
        kept.lab.partition()
        time.sleep(seconds)
        kept.lab.heal()
        time.sleep(0.2)
    kept.stays(active, 2)
    assert kept.lab.client.outage(began) < 0.25
