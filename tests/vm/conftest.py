"""One machine for all tests here: each begins from a memory of it, restored in a second, and ends without a denial.

VM_POLICY and VM_REPOSITORY, set by `make vm POLICY=DIR`: another system's SELinux policy, and the packages for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest
from lab.network import VIP

from .denials import Denial, denials, unexpected
from .machine import Machine

REPOSITORY = Path(os.environ.get("VM_REPOSITORY") or Path(__file__).resolve().parents[2] / "dist")
OLDER = Path(os.environ.get("VM_OLDER") or Path(__file__).resolve().parents[2] / "build" / "older")
POLICY: Optional[Path] = Path(os.environ["VM_POLICY"]) if os.environ.get("VM_POLICY") else None
NAME = "crane-keepalived"


class Told:
    """What a test says of the denials that it provokes; all others fail it."""

    def __init__(self, before: list[Denial]) -> None:
        self.before = before
        self.sources: set[str] = set()

    def expect_from(self, *sources: str) -> None:
        """The test has something of these domains refused, and looks itself at what."""
        self.sources.update(sources)


@pytest.fixture(scope="session")
def the_machine() -> Iterator[Machine]:
    with Machine(POLICY) as machine:
        machine.start()
        for folder, where in ((REPOSITORY, "/srv/crane-repo"), (OLDER, "/srv/older")):
            machine.copy(folder, where)
        machine.save("bare")
        yield machine


@pytest.fixture(scope="session")
def systems_own(the_machine: Machine) -> list[Denial]:
    """What the distribution's policy refuses the distribution's programs, without anything of ours."""
    return denials(the_machine)


@pytest.fixture
def told(systems_own: list[Denial]) -> Told:
    return Told(systems_own)


@pytest.fixture(scope="session")
def _set_up(the_machine: Machine, systems_own: list[Denial]) -> None:  # noqa: ARG001 - recorded before we change it
    the_machine.restore("bare")
    install(the_machine)
    said = set_up(the_machine)
    assert f"node1 is active: cranectld runs here, and {VIP.partition('/')[0]} is on ens33" in said
    the_machine.save("set-up")


@pytest.fixture
def bare(the_machine: Machine, told: Told) -> Iterator[Machine]:
    """The machine without anything of ours."""
    the_machine.restore("bare")
    yield the_machine
    no_denials(the_machine, told)


@pytest.fixture
def node(the_machine: Machine, told: Told, _set_up: None) -> Iterator[Machine]:
    """The machine after dnf install and crane-ha-setup, active."""
    the_machine.restore("set-up")
    yield the_machine
    no_denials(the_machine, told)


def no_denials(machine: Machine, told: Told) -> None:
    found = [d for d in unexpected(denials(machine), told.before) if d.source not in told.sources]
    assert not found, "SELinux refused what nobody expected:\n" + "\n".join(map(str, found))


def install(machine: Machine, *words: str) -> str:
    """dnf install; whatever a scriptlet says is a failure."""
    done = machine.run(["dnf", "-y", "install", *(words or (NAME,))])
    said = done.stdout + done.stderr
    for trouble in ("scriptlet failed", "Error in", "warning:", f"{NAME}: "):
        assert trouble not in said, said
    return said


def set_up(machine: Machine, *options: str) -> str:
    return machine.run(["crane-ha-setup", "--role", "master", "--vip", VIP, *options]).stdout
