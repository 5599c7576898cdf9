"""The module's source: it compiles without a warning, and says why of every rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from selinux.store import OURS, SOURCE, Linked
from selinux.test_denials import DENIALS

TE = (SOURCE / f"{OURS}.te").read_text()
# from where the policy says who may do what
RULES = TE[TE.index("\n# keepalived: ") :]
SAID = re.compile(r"Compiling x \w+ module|Creating x \S+ policy package|rm \S+ \S+|make: .*|")


def test_the_compiler_has_nothing_to_say(linked: Linked) -> None:
    if linked.compiler is None:
        pytest.skip("the policy came with the module")
    assert [line for line in linked.compiler.splitlines() if not SAID.fullmatch(line)] == []


def test_every_group_of_rules_begins_with_its_reason() -> None:
    groups = [group for group in re.split(r"\n{2,}", RULES.strip()) if not re.fullmatch(r"(#.*\n?)+", group)]
    assert len(groups) > 10
    assert [group for group in groups if not group.startswith("# ")] == []


def test_every_denial_that_the_source_names_is_recorded() -> None:
    named = {int(number) for number in re.findall(r"\bdenied (\d+)", TE)}
    assert named <= {denial.number for denial in DENIALS}


@pytest.mark.parametrize("path", sorted(SOURCE.iterdir()), ids=lambda path: path.name)
def test_nobody_is_let_off(path: Path) -> None:
    code = "\n".join(line.split("#")[0] for line in path.read_text().splitlines())
    assert not re.search(r"\bpermissive\b|unconfined_domain|\*|~", code if path.suffix != ".fc" else "")
