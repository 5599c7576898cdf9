"""SELinux as crane-ha-setup and crane-ha status ask after it: the module, the labels, the domain of the scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crane_keepalived import selinux, status, systemd
from crane_keepalived.errors import Findings, HaError, ProgramError
from crane_keepalived.files import below
from crane_keepalived.model import NOTE, SCRIPTS

from .conftest import FIRST, OURS, FakeNode

OBSERVE = status.observe  # the fixture of a node replaces it
UNIT = "usr/lib/systemd/system/cranectld.service"


@pytest.fixture
def labels(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> dict[Path, str]:
    """An enforcing node whose files all carry their labels; what is written here is the label instead."""
    (node.state / "selinux").write_text("Enforcing")
    other: dict[Path, str] = {}

    def label(path: Path) -> str:
        return other.get(path, selinux.UNIT_TYPE if path.suffix == ".service" else selinux.SCRIPT_TYPE)

    monkeypatch.setattr(selinux, "label", label)
    return other


def no_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that refuses our types: it fails the write."""
    monkeypatch.setattr(selinux, "KNOWN_CONTEXTS", Path("/dev/full"))


def problems(node: FakeNode) -> list[str]:
    return list(selinux.troubles(node.root, node.root / UNIT))


@pytest.mark.usefixtures("labels")
def test_what_was_written_is_labelled(node: FakeNode) -> None:
    assert node.setup(*FIRST).errors == []
    (call,) = node.calls("restorecon")
    assert {path.removeprefix("/etc/") for path in call.split()[2:]} == OURS
    assert problems(node) == []


def test_without_selinux_nothing_is_labelled_and_nothing_said(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    no_module(monkeypatch)
    assert node.setup(*FIRST).code == 0
    assert node.calls("restorecon") == []
    assert problems(node) == []


@pytest.mark.usefixtures("labels")
def test_a_module_that_is_not_loaded_stops_the_set_up_before_anything_is_written(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_module(monkeypatch)
    before = node.files()
    told = node.setup(*FIRST)
    assert told.code == 2
    (error,) = told.errors
    assert "the policy module crane_keepalived is not loaded; dnf install crane-keepalived-selinux; semodule " in error
    assert node.files() == before
    (trouble,) = problems(node)
    assert trouble.endswith(f"is not loaded: {selinux.LOAD}")


def test_a_permissive_node_is_set_up_and_warned(
    node: FakeNode, labels: dict[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (node.state / "selinux").write_text("Permissive")
    labels[below(node.root, SCRIPTS[0])] = "bin_t"
    no_module(monkeypatch)
    told = node.setup(*FIRST)
    assert told.code == 0
    assert "warning: SELinux: the policy module crane_keepalived is not loaded" in told.err
    assert problems(node) == []


@pytest.mark.usefixtures("labels")
def test_a_unit_outside_the_policys_paths_is_refused_with_the_commands_that_label_it(node: FakeNode) -> None:
    (node.state / "unit_label").write_text("usr_t")
    told = node.setup(*FIRST)
    assert told.code == 2
    path = (node.root / UNIT).resolve()
    cure = f"semanage fcontext -a -t cranectld_unit_file_t {path}; restorecon -v {path}; systemctl daemon-reload"
    assert "would have the label usr_t, with which" in told.errors[0]
    assert told.errors[0].endswith(cure)


def test_labels_that_were_lost_come_back_and_are_told_until_then(node: FakeNode, labels: dict[Path, str]) -> None:
    assert node.setup(*FIRST).code == 0
    script = below(node.root, SCRIPTS[1])
    labels[script] = "bin_t"
    labels[(node.root / UNIT).resolve()] = ""
    unit = node.root / UNIT
    assert problems(node) == [
        f"SELinux: {script} has the label bin_t: restorecon -F -v {script}",
        f"SELinux: {unit} has the label of nobody: restorecon -F -v {unit}; systemctl daemon-reload",
    ]
    told = node.setup()
    assert told.code == 0
    assert f"{script} will get its SELinux label again" in told.out
    assert node.calls("restorecon") == [f"restorecon -F {script} {node.root / UNIT}"]
    assert node.calls("systemctl") == ["systemctl daemon-reload"]


@pytest.mark.usefixtures("labels")
def test_scripts_that_run_in_another_domain_are_a_trouble(node: FakeNode) -> None:
    note = below(node.root, NOTE)
    note.parent.mkdir(parents=True)
    for context in ("system_u:system_r:crane_keepalived_t:s0", ""):
        note.write_text(context)
        assert problems(node) == []
    note.write_text("system_u:system_r:keepalived_t:s0")
    (trouble,) = problems(node)
    assert trouble.startswith("SELinux: keepalived's scripts run as keepalived_t, not crane_keepalived_t: restorecon")


def test_a_program_of_selinux_that_fails_is_named(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selinux, "installed", lambda _program: True)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("crane_keepalived.run.PATH", "/nowhere")
    findings = Findings()
    selinux.check(node.root / UNIT, findings)
    assert [str(error) for error in findings.errors] == ["SELinux: getenforce is not installed"]


@pytest.mark.usefixtures("labels")
def test_a_unit_that_systemd_keeps_to_itself_is_told_with_its_label(
    node: FakeNode, labels: dict[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert node.setup(*FIRST).code == 0
    unit = (node.root / UNIT).resolve()
    labels[unit] = "user_home_t"

    def refuse(*_: str) -> dict[str, str]:
        raise ProgramError("`systemctl show` failed with status 1: Access denied")

    monkeypatch.setattr(systemd, "show", refuse)
    monkeypatch.setattr(systemd, "states", refuse)
    cure = f"Access denied; SELinux: {unit} has the label user_home_t: restorecon -F -v {unit}"
    with pytest.raises(HaError, match=re.escape(cure)):
        OBSERVE(node.root)
    told = node.setup()
    assert told.code == 2
    assert cure in told.errors[0]


def test_a_hook_without_its_label_is_told_and_labelled(node: FakeNode, labels: dict[Path, str]) -> None:
    hook = node.write("/etc/crane-keepalived/check.d/10-mine", "#!/bin/sh\n", 0o755)
    labels[hook] = "user_home_t"
    assert node.setup(*FIRST).code == 0
    assert str(hook) in node.calls("restorecon")[-1].split()
    assert problems(node) == [f"SELinux: {hook} has the label user_home_t: restorecon -F -v {hook}"]
    labels[hook] = "crane_keepalived_hook_exec_t"
    assert problems(node) == []
