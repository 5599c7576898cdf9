"""One lab for a test module, with both nodes booted, and a fixture that mends what a test broke."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import VIP, Lab
from lab.pair import Pair, install, new_lab, set_up


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two booted nodes without the product."""
    with Lab() as started:
        started.start()
        yield started


@pytest.fixture
def both_on(lab: Lab) -> Iterator[Lab]:
    """The same, and whole again after the test: cables, power, nothing started, nobody with the address."""
    yield lab
    lab.release_lock()
    lab.heal()
    for node in lab.nodes:
        node.link(True)
        if not node.is_on:
            node.start()
        node.run("systemctl stop cranectld; systemctl reset-failed cranectld", check=False)
        node.run(f"rm -rf /etc/crane/standin.conf /var/crane/*; ip addr del {VIP}/32 dev ens33", check=False)
    lab.watcher.clear()


@pytest.fixture(scope="module")
def set_up_pair() -> Iterator[Pair]:
    """Two nodes with the product, set up by its two commands."""
    with new_lab() as lab:
        lab.start()
        install(lab)
        set_up(lab)
        yield Pair(lab)


@pytest.fixture
def pair(set_up_pair: Pair) -> Iterator[Pair]:
    """The pair, ready before the test; whatever the test does, neither invariant breaks."""
    set_up_pair.mend()
    set_up_pair.wait_ready()
    set_up_pair.lab.client.clear()
    set_up_pair.lab.watcher.clear()
    yield set_up_pair
    set_up_pair.lab.invariants.check(limit=3.0)
