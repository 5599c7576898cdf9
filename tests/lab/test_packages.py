"""The packages on real nodes, with real scriptlets: installed, verified, upgraded under a running service, removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import VIP, Lab, Node
from lab.pair import REPOSITORY, SETTLED, Pair, restored, set_up

OLDER = Path(__file__).resolve().parents[2] / "build" / "older"
NAME = "crane-keepalived"


@pytest.fixture(scope="module")
def fresh() -> Iterator[Lab]:
    """Bare nodes that see the packages and an older build of them, kept for every test to begin from."""
    with Lab(binds={REPOSITORY: "/srv/crane-repo", OLDER: "/srv/older"}) as lab:
        lab.start()
        lab.save("bare")
        yield lab


@pytest.fixture
def lab(fresh: Lab) -> Iterator[Lab]:
    yield from restored(fresh, "bare")


def dnf(node: Node, *words: str) -> str:
    done = node.run(["dnf", "-y", *words], timeout=300)
    for trouble in ("scriptlet failed", "Error in", "warning:"):
        assert trouble not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.stdout


def test_installed_it_verifies_and_has_changed_nothing(lab: Lab) -> None:
    node = lab.node1
    units = node.run("systemctl show -p ActiveState,UnitFileState,DropInPaths keepalived cranectld").stdout
    dnf(node, "install", NAME)
    assert node.run(["rpm", "--verify", NAME], check=False).stdout == ""
    assert node.run("systemctl show -p ActiveState,UnitFileState,DropInPaths keepalived cranectld").stdout == units


def test_set_up_it_still_verifies(lab: Lab) -> None:
    for node in lab.nodes:
        dnf(node, "install", NAME)
    set_up(lab)
    for node in lab.nodes:
        assert node.run(["rpm", "--verify", NAME], check=False).stdout == ""


def test_an_upgrade_leaves_the_service_alone(lab: Lab) -> None:
    for node in lab.nodes:
        dnf(node, "--disablerepo=*", "--repofrompath=older,file:///srv/older", "--nogpgcheck", "install", NAME)
    older = lab.node1.run(["rpm", "-q", NAME]).stdout
    set_up(lab)
    pair = Pair(lab)
    pair.wait_ready()
    started = [node.unit_property("cranectld.service", "InvocationID") for node in lab.nodes]
    since = lab.client.wait_served(5)
    for node in lab.nodes:
        dnf(node, "upgrade", NAME)
        assert node.run(["rpm", "-q", NAME]).stdout != older
    assert lab.client.outages(since) == []
    assert [node.unit_property("cranectld.service", "InvocationID") for node in lab.nodes] == started
    assert lab.node1.run("crane-ha-setup --role master").stdout.startswith("unchanged")
    lab.client.wait_served(SETTLED, by="node2", since=lab.node1.kill())


def test_removed_it_takes_the_set_up_along(lab: Lab) -> None:
    node = lab.node1
    node.write("/etc/keepalived/keepalived.conf", "! mine\n")
    before = node.run("find /etc -path '*crane*' -o -path '*keepalived*' | sort").stdout
    dnf(node, "install", NAME)
    node.run(["crane-ha-setup", "--role", "master", "--vip", VIP], timeout=120)
    dnf(node, "remove", NAME)
    assert node.read("/etc/keepalived/keepalived.conf") == "! mine\n"
    after = node.run("find /etc -path '*crane*' -o -path '*keepalived*' | sort").stdout
    assert after == before
    assert not node.has_address()
    assert node.run("ls /usr/libexec/crane-keepalived", check=False).returncode != 0
    node.run("systemctl start cranectld")
    lab.wait_until("cranectld runs by itself", lambda: lab.active() is node, 10)
