"""The module's source: it compiles without a warning, and says why of every rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from selinux.store import OURS, SOURCE, Linked

TE = (SOURCE / f"{OURS}.te").read_text()
# from where the policy says who may do what
RULES = TE[TE.index("\n# keepalived: ") :]
SAID = re.compile(r"Compiling x \w+ module|Creating x \S+ policy package|rm \S+ \S+|")


def test_the_compiler_has_nothing_to_say(linked: Linked) -> None:
    if linked.compiler is None:
        pytest.skip("the policy came with the module")
    assert [line for line in linked.compiler.splitlines() if not SAID.fullmatch(line)] == []


def test_every_group_of_rules_begins_with_its_reason() -> None:
    groups = [group for group in re.split(r"\n{2,}", RULES.strip()) if not re.fullmatch(r"(#.*\n?)+", group)]
    assert len(groups) > 10
    assert [group for group in groups if not group.startswith("# ")] == []


@pytest.mark.parametrize("path", [*SOURCE.glob("*.te"), *SOURCE.glob("*.if")], ids=lambda path: path.name)
def test_nobody_is_let_off(path: Path) -> None:
    """No domain is permissive or unconfined, and no rule speaks of all permissions or types, or of all but some."""
    code = "\n".join(line.split("#")[0] for line in path.read_text().splitlines())
    assert not re.search(r"\bpermissive\b|unconfined_domain|\*|~", code)
