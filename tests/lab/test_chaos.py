"""The chaos walk: its checkers find what is wrong, its plan is a seed's alone, and forty faults break nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab import Lab
from lab.ledger import Ledger
from lab.pair import new_lab
from lab.walk import Walker, new_walk, plan
from lab.walk.faults import FAULTS
from lab.walk.judge import Excuse, Judge, strays, without
from lab.walk.plan import SIDES, Books
from lab.watcher import Sample

SEED, COUNT = 20261122, 40
CLEAN = """\
node1 b1 10.000 7 start
node1 b1 10.050 7 locked
node1 b1 10.350 7 ready
node1 b1 10.400 7 alive
node1 b1 11.000 7 stop
node1 b1 11.200 7 end
node2 b2 11.150 9 start
node2 b2 11.210 9 locked
node2 b2 11.300 9 alive
node1 b1 11.900 7 start
"""


def overlaps(*lines: str) -> list[str]:
    return [str(overlap) for overlap in Ledger().add("".join(f"{line}\n" for line in lines))]


# --- the checkers ----------------------------------------------------------------------------------------------------


def test_one_after_the_other_is_well() -> None:
    assert Ledger().add(CLEAN) == []


def test_a_killed_daemon_ends_with_its_last_line() -> None:
    assert overlaps("node1 b1 1.0 7 locked", "node1 b1 1.1 7 alive", "node2 b2 1.15 9 locked") == []


def test_a_line_behind_the_next_ones_first_is_two_daemons() -> None:
    # as after a SIGSTOP: silent while the other one takes over, and then there again
    found = overlaps("node1 b1 1.0 7 locked", "node2 b2 2.0 9 locked", "node1 b1 3.0 7 alive", "node1 b1 3.1 7 alive")
    assert found == ['two daemons: node2 pid 9 had the lock at 2.000, node1 pid 7 wrote "alive" at 3.000']


def test_a_later_time_is_two_daemons_whatever_the_order() -> None:
    found = overlaps("node1 b1 1.0 7 locked", "node1 b1 2.5 7 stop", "node2 b2 2.0 9 locked")
    assert found == ['two daemons: node2 pid 9 had the lock at 2.000, node1 pid 7 wrote "stop" at 2.500']


def test_two_daemons_of_one_node_and_an_old_one_of_many() -> None:
    assert overlaps("node1 b1 1.0 7 locked", "node1 b1 2.0 8 locked", "node1 b1 3.0 7 end")
    assert overlaps(
        "node1 b1 1.0 7 locked",
        "node2 b2 2.0 9 locked",
        "node2 b2 3.0 9 end",
        "node2 b2 4.0 11 locked",
        "node1 b1 5.0 7 end",
    )


def test_who_only_started_is_no_daemon_and_a_number_may_come_again() -> None:
    assert overlaps("node1 b1 1.0 7 locked", "node2 b2 2.0 9 start", "node1 b1 3.0 7 alive") == []
    again = ("node1 b1 1.0 7 locked", "node2 b2 2.0 9 locked", "node2 b2 3.0 9 end", "node1 b1 4.0 7 start")
    assert overlaps(*again, "node1 b1 5.0 7 locked") == []
    assert overlaps("node1 b1 1.0 7 locked", "node2 b2 2.0 9 locked", "node1 b3 3.0 7 locked") == []


def test_the_ledger_is_read_in_pieces() -> None:
    ledger, text = Ledger(), CLEAN + "node1 b1 12.0 7 locked\nnode2 b2 12.1 9 alive\n"
    assert len([overlap for place in range(0, len(text), 7) for overlap in ledger.add(text[place : place + 7])]) == 1
    assert ledger.around(12.0, 0.15).count("\n") == 2
    with pytest.raises(ValueError, match="unpack"):
        ledger.add("what is this\n")


def sample(t: float, address: str, daemon: str) -> Sample:
    """node1's or node2's, by number; more than one in one string."""
    return Sample(t, {f"node{n}": ["192.168.1.211"] for n in address}, {f"node{n}": [int(n)] for n in daemon})


def test_an_address_without_its_daemon_is_seen_and_excused() -> None:
    samples = [
        sample(0, "1", "1"),
        sample(1, "1", ""),
        sample(2, "1", "2"),
        sample(5.5, "2", "2"),
        sample(6, "12", "2"),
    ]
    assert [(stray.node, stray.since, stray.until) for stray in strays(samples, 9)] == [
        ("node1", 1, 5.5),
        ("node1", 6, 9),
    ]
    first = next(strays(samples, 9))
    assert [stray.seconds for stray in without(first, [Excuse("node2", 0)])] == [4.5]
    assert list(without(first, [Excuse("node1", 0.5)])) == []
    assert [stray.since for stray in without(first, [Excuse("node1", 0, 2)])] == [2]
    assert [stray.seconds for stray in without(first, [Excuse("node1", 2, 3), Excuse("node1", 2.5, 4)])] == [1, 1.5]


def test_the_judge_sees_two_daemons_in_a_lab(both_on: Lab) -> None:
    judge = Judge(both_on)
    (both_on.shared / "ledger").write_text("")
    (both_on.shared / "ledger").chmod(0o666)
    for node in both_on.nodes:
        node.standin(LEDGER="/var/crane/ledger", LEDGER_EVERY=0.05)
    both_on.node1.run("systemctl start cranectld")
    both_on.wait_until("node1 has the lock", lambda: both_on.active() is both_on.node1, 5)
    assert judge.look() == []
    (both_on.shared / "cranectld/cranectld.lock").unlink()  # what the product's own lock is there to prevent
    both_on.node2.run("systemctl start cranectld")
    told: set[str] = set()

    def both_see() -> bool:
        told.update(text.split(":")[0] + str("pid" in text) for _, text in judge.look())
        return len(told) == 2

    both_on.wait_until("the ledger and the watcher tell of two daemons", both_see, 5)
    for node in both_on.nodes:
        node.run("systemctl stop cranectld")


# --- the plan --------------------------------------------------------------------------------------------------------


def test_a_seed_is_one_walk() -> None:
    assert plan(SEED, COUNT) == plan(SEED, COUNT)
    assert plan(SEED, COUNT) != plan(SEED + 1, COUNT)


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_does_what_is_possible_and_leaves_nothing(seed: int) -> None:
    rounds = plan(seed, 200)
    faults = [step for each in rounds for step in each.steps if step.fault]
    assert [step.number for step in faults] == list(range(1, 201))
    assert {step.fault for step in faults} == set(FAULTS)
    assert len({len(each.steps) for each in rounds}) > 5
    for each in rounds:
        books = Books()
        for step in each.steps:
            if step.fault:
                assert books.allows(step.fault, step.side)
                books.add(step.fault, step.side)
            elif step.mend:
                assert books.can_mend(step.mend)
                books.mend(step.mend, step.side)
            else:
                assert books.owed()
        assert not books.everything()


def test_the_service_is_owed_while_a_node_and_the_storage_are_well() -> None:
    named = {fault.name: fault for fault in FAULTS}
    for name, owed in {"power cut": True, "power cut on both nodes": False, "lock file deleted": False}.items():
        books = Books()
        books.add(named[name], SIDES[0])
        assert books.owed() is owed
    books = Books()
    books.add(named["cable pulled"], SIDES[0])
    books.add(named["partition"], SIDES[0])
    assert books.owed()
    books.add(named["check fails"], SIDES[1])
    assert not books.owed()


def test_an_address_may_stay_only_where_keepalived_and_the_unit_both_stand() -> None:
    named = {fault.name: fault for fault in FAULTS}
    for other, stays in {"cranectld stopped by hand": True, "cranectld killed": False}.items():
        books = Books()
        books.add(named["keepalived frozen"], SIDES[0])
        books.add(named[other], SIDES[0])
        assert [books.keeps_address(side) for side in SIDES] == [stays, False]


# --- the walk --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walker() -> Iterator[Walker]:
    with new_lab() as lab:
        yield new_walk(lab, print)


def test_forty_faults_break_nothing(walker: Walker) -> None:
    print(f"seed {SEED}; to replay: tests/lab/chaos.py {COUNT} {SEED}")
    began = time.monotonic()
    walker.walk(plan(SEED, COUNT))
    print(walker.summary())
    assert sum(walker.done.values()) > 0.7 * COUNT
    assert time.monotonic() - began < 600
