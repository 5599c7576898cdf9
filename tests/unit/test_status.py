"""crane-ha status: the state told from the facts, and the sentence for each that is not as it should be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crane_keepalived import netlink, run, status, systemd, unit
from crane_keepalived.errors import UnansweredError

WAITS = "standby: waits for the storage lock, held by node1 since 2026-11-22T17:00:00+00:00"
SERVES = "active: holds the storage lock, has the address"


class Facts:
    """What the owners of the facts will say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unit = {
            "ActiveState": "active",
            "SubState": "running",
            "StatusText": WAITS,
            "Result": "success",
            "User": "",
        }
        self.keepalived = "active"
        self.here: set[str] = set()
        (root / "run/crane-keepalived").mkdir(parents=True)
        (root / "run/crane-keepalived/domain").touch()
        (root / "etc/crane-keepalived").mkdir(parents=True)
        (root / "etc/crane-keepalived/settings").write_text(
            "ROLE='backup'\nCLUSTER_ID='1a2b3c4d'\nINTERFACE='ens33'\n"
            "ADDRESSES='10.0.0.100 fd00::100'\n"
            f"HA_LOCK='{root}/ha.lock'\nCRANECTLD_LOCK='{root}/cranectld.lock'\nALIVE_FILE='{root}/alive'\n"
            "HEARTBEAT_INTERVAL='6'\nWATCHDOG_TIMEOUT='30'\nSTOP_TIMEOUT='10'\nADDRESS_TIMEOUT='3'\n"
            "FAILBACK='no'\nFAILBACK_DELAY='60'\n"
        )

    def gate(self, content: str) -> None:
        (self.root / unit.GATE).write_text(content)

    def serves(self) -> None:
        self.gate("1 1\n")
        self.unit["StatusText"] = SERVES
        self.here = {"10.0.0.100", "fd00::100"}


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Facts:
    said = Facts(tmp_path)

    def show(name: str, *_: str) -> dict[str, str]:
        return {"ActiveState": said.keepalived} if name == "keepalived.service" else said.unit

    monkeypatch.setattr(systemd, "show", show)
    monkeypatch.setattr(netlink, "has_address", lambda interface, address: address in said.here)
    monkeypatch.setattr("socket.gethostname", lambda: "node2")
    return said


def test_active_and_well(facts: Facts) -> None:
    facts.serves()
    screen, code = status.report(facts.root)
    assert code == 0
    assert screen.splitlines()[0] == "node2 is active"
    assert "10.0.0.100 here, on ens33" in screen
    assert status.observe(facts.root).settled


def test_standby_and_well(facts: Facts) -> None:
    facts.gate("0\n")
    screen, code = status.report(facts.root)
    assert code == 0
    assert screen.splitlines()[0] == "node2 is standby"
    assert WAITS in screen


def test_a_unit_that_has_said_nothing_is_not_settled(facts: Facts) -> None:
    facts.unit["StatusText"] = ""
    assert status.observe(facts.root).state == "starting"
    assert not status.observe(facts.root).settled


def test_not_set_up_is_3(tmp_path: Path) -> None:
    screen, code = status.report(tmp_path)
    assert code == 3
    assert "run crane-ha-setup" in screen


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: setattr(f, "keepalived", "failed"), "keepalived.service is failed: systemctl start keepalived"),
        (
            lambda f: f.unit.update(ActiveState="inactive"),
            "cranectld.service is inactive (success): systemctl start cranectld",
        ),
        (
            lambda f: f.unit.update(StatusText="standby, cannot take over: waits for the link of ens33"),
            "the link of ens33",
        ),
        (
            lambda f: f.unit.update(StatusText="holds the storage lock, waits for /x: held by a cranectld outside"),
            "held by a cranectld outside",
        ),
        (lambda f: f.here.add("10.0.0.100"), "10.0.0.100 is here without cranectld"),
        (lambda f: (f.serves(), f.here.remove("fd00::100")), "fd00::100 is not here"),
        (lambda f: (f.serves(), f.here.clear()), "the address is not here yet"),
    ],
)
def test_what_is_wrong_is_said_and_is_1(facts: Facts, change: object, sentence: str) -> None:
    change(facts)  # type: ignore[operator]
    screen, code = status.report(facts.root)
    assert code == 1
    assert any(line.startswith("  ! ") and sentence in line for line in screen.splitlines()), screen


def test_storage_that_does_not_answer_is_said_and_not_waited_for(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object) -> object:
        raise UnansweredError("no answer in 2 s")

    monkeypatch.setattr(run, "as_user", hang)
    assert "cannot be read: no answer in 2 s" in status.report(facts.root)[0]


def test_a_check_that_keepalived_does_not_run_is_told(facts: Facts) -> None:
    note = facts.root / "run/crane-keepalived/domain"
    now = note.stat().st_mtime
    (told,) = status.observe(facts.root, since=now + 1).troubles
    assert (
        told == "keepalived does not run /usr/libexec/crane-keepalived/check_and_failover.sh: journalctl -u keepalived"
    )
    os.utime(note, (now - 70, now - 70))
    assert status.observe(facts.root).troubles == ()
    os.utime(note, (now - 80, now - 80))
    assert len(status.observe(facts.root).troubles) == 1
    note.unlink()
    assert len(status.observe(facts.root).troubles) == 1
