"""The compiler's own check, which a distribution may switch on: our module passes, and a broken one does not link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from selinux.grants import SCRIPT
from selinux.store import OURS, SOURCE, Linked, Store, compile_module

HERE = Path(__file__).parent
RULES = HERE / "neverallow.cil"
DAEMON, GATE = "site_cranectld_t", "crane_keepalived_gate_t"


@pytest.fixture(scope="module")
def guarded(linked: Linked, scratch: Path) -> Store:
    """The linked policy with our neverallow rules, checked against them and the distribution's; and a site's module."""
    modules = [RULES]
    if linked.compiler is not None:
        ours = (SOURCE / f"{OURS}.te", SOURCE / f"{OURS}.if")
        modules.append(compile_module(linked.devel, HERE / "site", scratch / "site", *ours)[0])
    store = linked.store.copy(scratch / "guarded", check=True)
    store.semodule("-i", *modules)
    return store


def test_our_module_breaks_no_rule(guarded: Store) -> None:
    assert "neverallow" in guarded.modules()


def test_a_broken_module_breaks_each(guarded: Store) -> None:
    with pytest.raises(RuntimeError) as failed:
        guarded.semodule("-i", HERE / "broken.cil")
    said = re.findall(r"neverallow check failed at \S+/neverallow/cil:(\d+)", str(failed.value))
    broken = {int(line) for line in said}
    lines = RULES.read_text().splitlines()
    rules = {number for number, line in enumerate(lines, 1) if line.startswith("(neverallow ")}
    assert broken == rules, [lines[number - 1] for number in broken ^ rules]
    assert "broken" not in guarded.modules()


def test_a_site_may_confine_cranectld(guarded: Store) -> None:
    """By our interface: the gate is written in its domain, and scripts see whether it runs."""
    if "site" not in guarded.modules():
        pytest.skip("no headers to compile a module with")
    policy = guarded.policy()
    assert {"open", "read", "write"} <= policy.allowed(DAEMON, GATE, "file")
    assert not {"create", "unlink", "relabelto", "setattr"} & policy.allowed(DAEMON, GATE, "file")
    assert {"open", "read"} <= policy.allowed(SCRIPT, DAEMON, "file")
    assert {"getattr", "search"} <= policy.allowed(SCRIPT, DAEMON, "dir")
    assert not policy.allowed(DAEMON, "cranectld_unit_file_t", "service")
