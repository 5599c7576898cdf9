"""What SELinux refused on a real machine is now allowed, or kept out of the audit log with a reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from selinux.policy import Policy
from selinux.store import Linked

RECORDED = (Path(__file__).parent / "denials").read_text()
# what Debian's policy, on which they were recorded, calls otherwise than the Red Hat family's
OTHER_NAMES = {
    "init_runtime_t": "init_var_run_t",
    "syslogd_runtime_t": "syslogd_var_run_t",
    # a service without a domain of its own; EL has the type initrc_t too, for init scripts
    "initrc_t": "unconfined_service_t",
}
LINE = re.compile(
    r"(\d+) (not audited: )?avc: denied \{ (?P<permissions>[a-z_ ]+) \} .*"
    r"scontext=\w+:\w+:(?P<source>\w+):s0 tcontext=\w+:\w+:(?P<target>\w+):s0 tclass=(?P<tclass>\w+)"
)


@dataclass(frozen=True)
class Denial:
    number: int
    allowed: bool
    source: str
    target: str
    tclass: str
    permissions: frozenset[str]


def read() -> list[Denial]:
    found = []
    for line in RECORDED.splitlines():
        if line and not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            words = frozenset(match["permissions"].split())
            found.append(Denial(int(match[1]), not match[2], match["source"], match["target"], match["tclass"], words))
    return found


DENIALS = read()


def name_in(policy: Policy, name: str) -> str:
    return OTHER_NAMES[name] if OTHER_NAMES.get(name) in policy.types else name


@pytest.mark.parametrize("denial", DENIALS, ids=lambda denial: f"{denial.number} {denial.source} {denial.target}")
def test_recorded_denial(linked: Linked, denial: Denial) -> None:
    policy = linked.after
    where = denial.source, name_in(policy, denial.target), denial.tclass
    if denial.allowed:
        assert denial.permissions <= policy.allowed(*where)
    else:
        assert denial.permissions <= policy.dontaudited(*where)
        assert not denial.permissions & policy.allowed(*where)


@pytest.mark.parametrize("denial", DENIALS, ids=lambda denial: f"{denial.number} {denial.source} {denial.target}")
def test_it_takes_our_module(linked: Linked, denial: Denial) -> None:
    """Without it the machine refused, and so would the policy now: the stand-in gives nothing away."""
    policy = linked.before
    where = denial.source, name_in(policy, denial.target), denial.tclass
    assert not denial.permissions <= policy.allowed(*where)


def test_every_number_is_given_once() -> None:
    numbers = [denial.number for denial in DENIALS]
    assert len(numbers) == len(set(numbers))


def test_every_group_of_denials_has_its_reason() -> None:
    for group in RECORDED.split("\n\n"):
        assert group.startswith("# ")
