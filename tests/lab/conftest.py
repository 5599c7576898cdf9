"""One lab for a test module, with both nodes booted, and a fixture that mends what a test broke."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import VIP, Lab
from lab.pair import Pair, install, new_lab, restored, set_up


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
def installed() -> Iterator[Lab]:
    """A lab with the packages installed and nothing set up, kept for every test to begin from."""
    with new_lab() as lab:
        lab.start()
        install(lab)
        lab.save("installed")
        yield lab


@pytest.fixture
def just_installed(installed: Lab) -> Iterator[Lab]:
    yield from restored(installed, "installed")


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
    yield from ready(set_up_pair)


@pytest.fixture(scope="session")
def saved_pair() -> Iterator[Pair]:
    """A pair kept for every test to begin from. Its lease is the shortest, so that a beat comes every second, and the
    ends of the watchdog (5 s) and of a stop (2 s) soon."""
    with new_lab() as lab:
        lab.start()
        install(lab)
        set_up(lab, "--storage-lease", "15")
        Pair(lab).wait_ready()
        lab.save("ready")
        yield Pair(lab)


@pytest.fixture(scope="module")
def powered(saved_pair: Pair) -> Iterator[Pair]:
    """The same; its nodes are off while other modules run."""
    yield saved_pair
    power_off(saved_pair)


@pytest.fixture
def fresh(powered: Pair) -> Iterator[Pair]:
    """That pair, booted a moment ago, for a test to break of it what it likes; the invariants hold all the same."""
    boot(powered)
    try:
        yield from ready(powered)
    finally:
        power_off(powered)


@pytest.fixture
def kept(powered: Pair) -> Iterator[Pair]:
    """That pair as the test before left it, for a test that leaves a whole pair behind; saves the boot."""
    try:
        assert all(node.is_on for node in powered.lab.nodes)
        powered.mend()
        powered.wait_ready()
    except AssertionError:
        boot(powered)
    yield from ready(powered)


def boot(pair: Pair) -> None:
    """From the disks and the storage that were saved."""
    pair.lab.restore("ready")
    pair.lab.start()


def power_off(pair: Pair) -> None:
    for node in pair.lab.nodes:
        if node.is_on:
            node.power_off_hard()


def ready(pair: Pair) -> Iterator[Pair]:
    """The pair, from the moment on in which it serves and stands by; whatever a test does, neither invariant breaks."""
    pair.wait_ready()
    pair.lab.client.clear()
    pair.lab.watcher.clear()
    yield pair
    pair.lab.invariants.check(limit=3.0)
