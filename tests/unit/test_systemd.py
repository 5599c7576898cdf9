"""cranectld.service as systemd would read it, our own drop-in aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from crane_keepalived import systemd
from crane_keepalived.errors import Findings
from crane_keepalived.model import Daemon


class Units:
    """Unit files below a root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, service: str) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(service if "[" in service else f"[Service]\n{service}")
        return place

    def read(self, *, on_node: bool = False) -> tuple[Daemon, list[str]]:
        findings = Findings()
        daemon = systemd.read_daemon(self.root, on_node, findings)
        return daemon, [str(problem).replace(f"{self.root}/", "") for problem in findings.errors]


UNIT = "usr/lib/systemd/system/cranectld.service"
DROP_INS = "etc/systemd/system/cranectld.service.d"
START = "ExecStart=/usr/bin/cranectld\n"


@pytest.fixture
def units(tmp_path: Path) -> Units:
    return Units(tmp_path)


def test_without_a_unit(units: Units) -> None:
    assert units.read() == (Daemon("crane", "crane", "/usr/bin/cranectld"), [])
    assert units.read(on_node=True)[1] == [
        "cranectld.service: is not installed on this node; install CraneSched's cranectld first"
    ]


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("User=crane\nGroup=crane\n" + START, ("crane", "crane", "/usr/bin/cranectld")),
        (START, ("root", "", "/usr/bin/cranectld")),
        ("User=a\nUser=b\nUser =  c \n" + START, ("c", "", "/usr/bin/cranectld")),
        ("[Unit]\nUser=x\n[Service]\nUser=y\n" + START + "[Install]\nUser=z\n", ("y", "", "/usr/bin/cranectld")),
        ("#User=x\n;User=y\n" + START, ("root", "", "/usr/bin/cranectld")),
        (
            START + "ExecStart=\nExecStart=/opt/cranectld -C '/a b' %H $X\n",
            ("root", "", "/opt/cranectld -C '/a b' %H $X"),
        ),
        ("ExecStart=/opt/cranectld \\\n  -C x \\\n# between\n  -p 1\n", ("root", "", "/opt/cranectld -C x    -p 1")),
        ("ExecStart=-/opt/cranectld\n", ("root", "", "/opt/cranectld")),
        ("ExecStart=@/opt/cranectld name -C x\n", ("root", "", "/opt/cranectld -C x")),
        ("ExecStart=-@/opt/cranectld name\n", ("root", "", "/opt/cranectld")),
        ("ExecStart=cranectld -C x\n", ("root", "", "/usr/bin/cranectld -C x")),
        ("Type=notify\n" + START, ("root", "", "/usr/bin/cranectld")),
    ],
)
def test_user_group_and_command(units: Units, service: str, expected: tuple[str, str, str]) -> None:
    units.write(UNIT, service)
    assert units.read() == (Daemon(*expected), [])


def test_a_program_without_its_path_is_looked_for(units: Units) -> None:
    units.write("usr/sbin/cranectld", "")
    units.write(UNIT, "ExecStart=cranectld\n")
    assert units.read()[0].command == "/usr/sbin/cranectld"


def test_the_first_of_the_folders_counts(units: Units) -> None:
    units.write("lib/systemd/system/cranectld.service", "ExecStart=/5\n")
    for number, folder in ((4, "usr/lib"), (3, "usr/local/lib"), (2, "run"), (1, "etc")):
        units.write(f"{folder}/systemd/system/cranectld.service", f"ExecStart=/{number}\n")
        assert units.read()[0].command == f"/{number}"


def test_drop_ins_come_in_the_order_of_their_names_without_ours(units: Units) -> None:
    units.write(UNIT, "User=a\nExecStart=/1\n")
    units.write(f"{DROP_INS}/50-crane-keepalived.conf", "ExecStart=\nExecStart=/usr/libexec/queue-for-lock /1\n")
    units.write(f"{DROP_INS}/20.conf", "ExecStart=\nExecStart=/3\n")
    units.write("usr/lib/systemd/system/cranectld.service.d/10.conf", "ExecStart=\nExecStart=/2\nUser=b\n")
    units.write("usr/lib/systemd/system/cranectld.service.d/20.conf", "User=shadowed\n")
    units.write(f"{DROP_INS}/60-more.conf", "User=c\nLimitNOFILE=9\n")
    assert units.read() == (Daemon("c", "", "/3"), [])


def test_a_drop_in_that_would_undo_ours_is_refused(units: Units) -> None:
    units.write(UNIT, START)
    units.write(f"{DROP_INS}/override.conf", "ExecStart=\nExecStart=/2\n")
    assert units.read()[1] == [
        f"{DROP_INS}/override.conf: ExecStart= here would undo ours; rename the file so that it sorts before "
        "50-crane-keepalived.conf"
    ]


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("User=x\n", "has 0 ExecStart= lines; leave the one that starts cranectld"),
        (START * 2, "has 2 ExecStart= lines; leave the one that starts cranectld"),
        ("ExecStart=-\n", "ExecStart=- names no program; let it start cranectld"),
        ("ExecStart=+/a\n", "ExecStart=+/a has a prefix that crane-keepalived cannot keep; write it without +"),
        ("ExecStart=-!!/a\n", "ExecStart=-!!/a has a prefix that crane-keepalived cannot keep; write it without -!!"),
        ("Type=forking\n" + START, "Type=forking is not how a cranectld in the foreground runs; make it Type=simple"),
    ],
)
def test_a_unit_that_cannot_be_wrapped(units: Units, service: str, said: str) -> None:
    units.write(UNIT, service)
    assert units.read()[1] == [f"{UNIT}: {said}"]


def test_a_masked_unit(units: Units) -> None:
    path = units.write("etc/systemd/system/cranectld.service", "")
    path.unlink()
    path.symlink_to("/dev/null")
    assert units.read()[1] == ["cranectld.service: is masked; systemctl unmask cranectld.service"]


def test_states_are_asked_at_once(state: Path) -> None:
    (state / "a.service.active").touch()
    (state / "b.service.enabled").touch()
    (state / "c.service.absent").touch()
    assert systemd.states("a.service", "b.service", "c.service") == {
        "a.service": systemd.UnitState(installed=True, active=True, enabled=False),
        "b.service": systemd.UnitState(installed=True, active=False, enabled=True),
        "c.service": systemd.UnitState(installed=False, active=False, enabled=False),
    }
    assert len((state / "calls").read_text().splitlines()) == 1
    assert systemd.show("a.service", "ActiveState", "StatusText") == {"ActiveState": "active", "StatusText": ""}
