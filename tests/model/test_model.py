"""failover.pml, checked by spin: what holds, what every mechanism is good for, and what is known not to hold.

A failed check tells how it came to that, second by second. The seconds of the model are model.py's own.
"""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Union

import pytest

from crane_keepalived import queue_for_lock
from crane_keepalived.keys import KEYS
from crane_keepalived.model import StorageLock, Vrrp
from crane_keepalived.render import TEMPLATES

HERE = Path(__file__).parent
# breadth first: what is found is the shortest way there
SEARCH = ("-DSAFETY", "-DBFS")
CYCLES = ("-DNP",)
COMPILE = ("gcc", "-w", "-DNOREDUCE", "-DMEMLIM=2000", "-o", "pan", "pan.c")

# what each means, trouble.pml tells; STILL is not among them: see the end of this file
EVERY = (
    "CRASH HANG HEART POWER LINK PART STORAGE SERVER KILLED LEAVES STOPS RESTARTS FROZEN HAND GATE "
    "DELETE WIPE COPY COPIES"
)
# what does not keep a holder whose lock files are lost from noticing it
WITH_WIPE = "WIPE COPIES CRASH POWER PART SERVER KILLED LEAVES STOPS RESTARTS"

pytestmark = pytest.mark.skipif(not (shutil.which("spin") and shutil.which("gcc")), reason="needs spin and gcc")


def timers(lease: int) -> dict[str, int]:
    """The seconds that crane-ha-setup would write, by their names in the model."""
    lock = StorageLock("1a2b3c4d", Path(), Path(), Path(), lease)
    return {
        "LEASE": lease,
        "BEAT": lock.heartbeat_interval,
        "WATCHDOG": lock.watchdog_timeout,
        "STOP": lock.stop_timeout,
        "ADDRESS": Vrrp(3, "", 51, 250, Decimal("0.25"), ()).settles_within,
    }


def run(folder: Path, *command: str) -> str:
    ended = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def without(*faults: str) -> str:
    return " ".join(fault for fault in EVERY.split() if fault not in faults)


def counterexample(folder: Path, what: str, faults: str, n: int, lease: int = 15, **other: Union[int, str]) -> str:
    """How ``n`` of these faults break ONE, TOGETHER, BACK, or TIME; empty if no order of events does."""
    values = {what: "", "FAULTS": f"({' | '.join(faults.split()) or 0})", "N": n, **timers(lease), **other}
    for model in HERE.glob("*.pml"):
        shutil.copy(model, folder)
    case = "".join(f"#define {name} {value}\n" for name, value in values.items()) + '#include "failover.pml"\n'
    (folder / "case.pml").write_text(case)
    run(folder, "spin", "-a", "case.pml")
    # with one fault gcc takes longer than the search
    run(folder, *COMPILE, "-O1" if n > 1 else "-O0", *(CYCLES if what == "TIME" else SEARCH))
    said = run(folder, "./pan", *(("-l", "-m200000") if what == "TIME" else ()))
    assert not re.search("out of memory|MEMLIM|max search depth", said), said
    errors, states = re.search(r"errors: (\d+)", said), re.search(r"([0-9.e+]+) states, stored", said)
    assert errors and states, said
    print(f"{what} N={n} {faults} lease={lease} {other}: {states.group(1)} states")
    return tell(folder, what) if errors.group(1) != "0" else ""


def tell(folder: Path, what: str) -> str:
    """What happened on the way to the error, one line each, behind the second in which it happened."""
    lines, second = [], 0
    for line in run(folder, "spin", "-t", "-T", "case.pml").splitlines():
        if line == "tick":
            second += 1
        elif line.startswith("node "):
            lines.append(f"{second:3} s  {line}")
    return "\n".join(["", *lines, f"{second:3} s  {what} does not hold", ""])


def test_the_model_has_the_codes_own_numbers() -> None:
    model = (HERE / "failover.pml").read_text()
    unit, keepalived = ((TEMPLATES / name).read_text() for name in ("cranectld.conf.j2", "keepalived.conf.j2"))
    number: dict[str, str] = dict(re.findall(r"^#define (\w+) +(\(.*?\)|\w+)", model, re.MULTILINE))
    interval = next(key.default for key in KEYS if key.name == "ProbeInterval")
    assert f"RestartSec={number['PAUSE']}\n" in unit
    assert "fall 2\n" in keepalived
    assert int(number["LOOKS"]) == 2 * int(str(interval))
    assert int(next(str(key.default) for key in KEYS if key.name == "CheckInterval")) + 1 == timers(15)["ADDRESS"]
    assert "weight 0 reverse\n" in keepalived
    assert number["AGAIN"] == "(WATCHDOG + STOP + BEAT)"
    wait = "settings.watchdog_timeout + settings.stop_timeout + settings.heartbeat_interval"
    assert wait in inspect.getsource(queue_for_lock.queue)


# ---- what holds ----


@pytest.mark.parametrize(
    ("faults", "n", "lease"),
    [
        pytest.param(without("WIPE", "COPIES"), 2, 15, id="all but WIPE and COPIES"),
        (WITH_WIPE, 2, 15),
        ("STORAGE LINK SERVER RESTARTS", 3, 15),
        ("STORAGE POWER CRASH PART", 3, 15),
        ("STORAGE HEART HANG LEAVES", 3, 15),
        ("DELETE COPY HAND CRASH RESTARTS", 3, 15),
        # rounded, the stop timeout is longest here beside the heartbeat
        (WITH_WIPE, 2, 27),
        ("STORAGE LINK SERVER RESTARTS KILLED POWER HEART HAND", 2, 30),
        ("STORAGE SERVER POWER RESTARTS", 2, 90),
    ],
)
def test_never_two_daemons(tmp_path: Path, faults: str, n: int, lease: int) -> None:
    assert counterexample(tmp_path, "ONE", faults, n, lease) == ""


def test_a_lost_lock_file_is_waited_for_long_enough(tmp_path: Path) -> None:
    faults = "WIPE COPIES STORAGE LINK HEART FROZEN GATE HANG STOPS RESTARTS"
    assert counterexample(tmp_path, "ONE", faults, 2) == ""


def test_the_address_is_never_apart_from_the_daemon_for_a_second(tmp_path: Path) -> None:
    assert counterexample(tmp_path, "TOGETHER", without("WIPE", "COPIES"), 2) == ""


def test_a_daemon_without_the_address_gives_up(tmp_path: Path) -> None:
    # a heartbeat that is dead, or in a write that hangs, is left to the watchdog: see ALONE in trouble.pml
    faults = without("WIPE", "COPIES", "STORAGE", "SERVER", "HEART")
    assert counterexample(tmp_path, "TOGETHER", faults, 2, ALONE="(ADDRESS + STOP)") == ""


def test_service_is_back_after_any_two_faults(tmp_path: Path) -> None:
    assert counterexample(tmp_path, "BACK", without("FROZEN", "HAND"), 2) == ""


def test_a_daemon_that_hangs_is_seen_although_keepalived_hangs_too(tmp_path: Path) -> None:
    assert counterexample(tmp_path, "BACK", "FROZEN HANG", 2) == ""


# the seconds without service, beyond which no order of events goes; 0 is less than one
@pytest.mark.parametrize(
    ("faults", "seconds"),
    [
        ("CRASH HEART PART HAND", "0"),
        ("LINK KILLED LEAVES STOPS RESTARTS", "STOP"),
        ("FROZEN GATE", "(ADDRESS + STOP)"),
        ("HANG", "(LOOKS - 1)"),
        ("DELETE WIPE COPY COPIES", "(AGAIN + BEAT)"),
        ("POWER STORAGE SERVER", "LEASE"),
    ],
)
def test_service_is_back_in_time(tmp_path: Path, faults: str, seconds: str) -> None:
    assert counterexample(tmp_path, "BACK", faults, 1, lease=30, GONE=seconds) == ""


def test_time_passes(tmp_path: Path) -> None:
    # else a property of every second would hold because there is no second
    assert counterexample(tmp_path, "TIME", EVERY, 1) == ""


# ---- what each mechanism is good for ----


@pytest.mark.parametrize(
    ("mechanism", "what", "faults", "n"),
    [
        ("FENCING", "ONE", "STORAGE", 1),
        ("IDENTITY", "ONE", "WIPE", 1),
        ("SECOND", "ONE", "HAND", 1),
        ("MARKING", "ONE", "COPIES", 1),
        ("GRACE", "ONE", "SERVER", 1),
        ("GATED", "TOGETHER", "", 0),
        ("REVERSE", "TOGETHER", "GATE", 1),
        ("CLOSING", "TOGETHER", "CRASH", 1),
        ("CLEANING", "TOGETHER", "KILLED", 1),
        ("WATCHING", "BACK", "HANG", 1),
        ("LONELY", "BACK", "FROZEN", 1),
    ],
)
def test_without_this_it_fails(tmp_path: Path, mechanism: str, what: str, faults: str, n: int) -> None:
    story = counterexample(tmp_path, what, faults, n, WITHOUT=mechanism)
    assert f"{what} does not hold" in story
    assert faults in story


@pytest.mark.parametrize("wait", ["0", "BEAT"])
def test_less_than_two_heartbeats_are_not_enough_for_a_lost_lock_file(tmp_path: Path, wait: str) -> None:
    assert "WIPE" in counterexample(tmp_path, "ONE", "WIPE", 1, AGAIN=wait)


# the former holder is dead, busy with letting go (until cranectld has ended), or in a write that hangs
@pytest.mark.parametrize("disturbance", ["STORAGE", "LINK", "HEART", "FROZEN", "GATE"])
def test_two_heartbeats_are_too_few_when_the_former_holder_does_not_beat(tmp_path: Path, disturbance: str) -> None:
    story = counterexample(tmp_path, "ONE", f"WIPE {disturbance}", 2, AGAIN="(2 * BEAT)")
    assert "crane-ha-setup --create-lock" in story


def test_a_server_with_a_shorter_lease_than_it_was_told_gives_two_daemons(tmp_path: Path) -> None:
    assert "its lease is over" in counterexample(tmp_path, "ONE", "STORAGE", 1, SERVER_LEASE="(LEASE / 3)")


# ---- what does not hold; docs/failover.md has each under "Limits". One that is mended moves up. ----


def test_a_name_believed_for_30_s_is_noticed_too_late(tmp_path: Path) -> None:
    assert "crane-ha-setup --create-lock" in counterexample(tmp_path, "ONE", "WIPE", 1, NAMES=30)


def test_a_keepalived_that_hangs_keeps_the_address_until_the_unit_starts_again(tmp_path: Path) -> None:
    assert "FROZEN" in counterexample(tmp_path, "TOGETHER", "FROZEN CRASH", 2, WITHOUT="EXCUSED")


def test_a_machine_that_stood_still_for_a_lease_is_a_second_daemon(tmp_path: Path) -> None:
    assert "STILL" in counterexample(tmp_path, "ONE", "STILL", 1)


def test_a_daemon_outside_the_pair_does_not_see_that_the_lock_files_are_lost(tmp_path: Path) -> None:
    assert "HAND" in counterexample(tmp_path, "ONE", "WIPE HAND", 2)


def test_one_cable_for_address_and_storage_makes_a_cut_as_long_as_a_power_loss(tmp_path: Path) -> None:
    assert "LINK" in counterexample(tmp_path, "BACK", "LINK", 1, WITHOUT="TWO_WIRES", GONE="(LEASE - 1)")
