"""A cranectld that can run on no node, or on the only one: it is started again, ever later; the address stays calm."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from lab.lab import Lab
from lab.node import Node
from lab.pair import SETTLED, Pair

ETC, SEEN = "/etc/crane-keepalived", "/run/failures-seen"
WAITS = "standby, cannot take over: cranectld failed here {} times in a row: queues again after {} s"


def crashes(pair: Pair) -> None:
    """From its next start on, cranectld crashes on every node as soon as it is ready."""
    for node in pair.lab.nodes:
        node.standin(EXIT_AFTER=0.1)


def wait_for_pause(lab: Lab, nodes: Sequence[Node], failures: int, seconds: int) -> None:
    """Each of the nodes waits, having failed so often."""
    told = WAITS.format(failures, seconds)
    for node in nodes:
        lab.wait_until(f"{node} says: {told}", partial(node.says, told), SETTLED)


def changes_of_node(pair: Pair, since: float) -> int:
    """How often the client was answered by another node than before."""
    nodes = [attempt.node for attempt in pair.lab.client.answers(since)]
    return sum(before != after for before, after in zip(nodes, nodes[1:]))


def test_crashing_on_both_nodes_it_rests_and_comes_back_by_itself(pair: Pair) -> None:
    crashes(pair)
    began = time.monotonic()
    pair.active.kill()
    wait_for_pause(pair.lab, pair.lab.nodes, 3, 10)
    assert changes_of_node(pair, began) <= 6
    # 10 s, then once more on each node, and 60 s
    wait_for_pause(pair.lab, pair.lab.nodes, 4, 60)
    assert changes_of_node(pair, began) <= 8
    for node in pair.lab.nodes:
        node.standin()
        assert "cannot take over: cranectld failed here 4 times" in node.run("crane-ha status", check=False).stdout
    # 60 s later by itself; a person need not wait
    pair.lab.node1.run("systemctl restart cranectld")
    pair.lab.client.wait_served(5, by="node1")
    pair.wait_ready(65)


def test_alone_it_is_started_again_and_the_hooks_learn_how_often(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    standby.run("systemctl stop keepalived")
    active.write(f"{ETC}/fault.d/10-tell", f'#!/bin/sh\necho "$CRANE_HA_FAILURES" >>{SEEN}\n', mode=0o755)
    active.run(f"rm -f {SEEN}")
    active.standin(EXIT_AFTER=1)
    active.kill()
    wait_for_pause(pair.lab, [active], 3, 10)
    active.standin()
    pair.lab.client.wait_served(15, by=active.name)
    assert active.read(SEEN).split() == ["1", "2", "3"]


def test_a_person_who_restarts_it_again_and_again_waits_for_nothing(pair: Pair) -> None:
    for _ in range(5):
        pair.active.run("systemctl restart cranectld")
        pair.wait_ready()
    for node in pair.lab.nodes:
        assert node.read("/run/crane-keepalived.failures").startswith("0 ")


def test_checks_that_fail_on_both_nodes_are_failures_too(pair: Pair) -> None:
    for node in pair.lab.nodes:
        node.run("crane-ha-setup --check-interval 1 --check-grace 0", timeout=120)
    pair.wait_ready()
    for node in pair.lab.nodes:
        node.write(f"{ETC}/check.d/10-never", "#!/bin/sh\nexit 1\n", mode=0o755)
    # two checks each time, and no grace for a daemon that may be starting
    wait_for_pause(pair.lab, pair.lab.nodes, 3, 10)
    for node in pair.lab.nodes:
        node.run(f"rm {ETC}/check.d/10-never")
    pair.wait_ready()
