"""More nodes than two, and names that nobody tried: the pair's promises hold there too."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab import VIP, Lab
from lab.node import Node
from lab.pair import SETTLED, Pair, install, new_lab, other_line, set_up

CRANECTLD = "cranectld.service"
QUICK = ("--storage-lease", "15")


@pytest.fixture
def lab(just_installed: Lab) -> Lab:
    return just_installed


def cluster(nodes: int) -> Iterator[Pair]:
    with new_lab(nodes=nodes) as lab:
        lab.start()
        install(lab)
        set_up(lab, *QUICK)
        pair = Pair(lab)
        pair.wait_ready()
        lab.watcher.clear()
        yield pair
        lab.invariants.check(limit=3.0)


@pytest.fixture
def three() -> Iterator[Pair]:
    """Three nodes that were set up: one serves, two stand by."""
    yield from cluster(3)


@pytest.fixture
def five() -> Iterator[Pair]:
    """Five nodes that were set up: one serves, four stand by."""
    yield from cluster(5)


def test_three_nodes_survive_crashes_a_partition_and_the_loss_of_two(three: Pair) -> None:
    for _ in range(3):
        active = three.active
        served_on = three.after(lambda active=active: active.kill(CRANECTLD)).after  # type: ignore[misc]
        assert served_on != active.name
        three.wait_ready()
    three.lab.partition()
    three.stays(three.active, 2)
    three.after(lambda: three.active.kill(CRANECTLD))
    three.lab.heal()
    three.wait_ready()
    lost = [three.active, three.standbys[0]]
    last = three.standbys[1]
    three.after(lambda: [node.power_off_hard() for node in lost] and None, served_by=last)
    for node in lost:
        node.start()
    three.wait_ready()
    three.stays(last, 2)


def stopped(node: Node) -> float:
    """When cranectld had ended there: until then the node still answers."""
    node.run(["systemctl", "stop", CRANECTLD])
    return time.monotonic()


def test_five_nodes_serve_until_the_last_is_stopped_and_again_from_the_first_that_starts(five: Pair) -> None:
    left: list[Node] = list(five.lab.nodes)
    while len(left) > 1:
        active = five.active
        left.remove(active)
        five.after(lambda active=active: stopped(active))  # type: ignore[misc]
        assert five.active in left
    left[0].run(["systemctl", "stop", CRANECTLD])
    for node in five.lab.nodes:
        node.run(["systemctl", "--no-block", "start", CRANECTLD])
    five.lab.client.wait_served(SETTLED)
    five.wait_ready()


def test_paths_with_spaces(lab: Lab) -> None:
    shared, local = "/var/crane/on the storage", "/var/lib/my crane"
    for node in lab.nodes:
        node.run(f"install -d -o crane -g crane '{shared}' '{local}' '{local}/cranectld'")
        node.run(
            f"sed -i -e 's#^CraneBaseDir:.*#CraneBaseDir: {local}/#' "
            f"-e 's#CraneSharedBaseDir:.*#CraneSharedBaseDir: {shared}/#' /etc/crane/config.yaml"
        )
    set_up(lab, *QUICK)
    pair = Pair(lab)
    pair.wait_ready()
    assert (lab.shared / "on the storage/cranectld/ha.lock").exists()
    active, standby = pair.active, pair.standby
    assert f"{local}/cranectld/cranectld.alive is there" in active.run("crane-ha status").stdout
    pair.after(lambda: active.kill(CRANECTLD), served_by=standby)
    pair.wait_standby(active)


def test_long_names_are_told_and_a_master_so_called_has_the_service_back(lab: Lab) -> None:
    names = ("Control-1.hpc.example.org", "x" * 63)
    for node, name in zip(lab.nodes, names):
        node.run(["hostname", name])  # which, as systemd does, refuses a name with a space or an underscore
    role = "crane-ha-setup --role master --failback --failback-delay 1 --vip"
    said = lab.node1.run(f"{role} {VIP} {' '.join(QUICK)}", timeout=SETTLED).stdout
    lab.node2.run(other_line(said), timeout=SETTLED)
    lab.client.wait_served(5, by=names[0])
    lab.client.wait_served(SETTLED, by=names[1], since=lab.node1.kill(CRANECTLD))
    lab.wait_until(
        "it names the holder", lambda: f"held by {names[1]} since" in lab.node1.run("crane-ha status").stdout, 5
    )
    lab.client.wait_served(SETTLED, by=names[0])
