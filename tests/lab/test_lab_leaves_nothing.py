"""Nothing of a lab stays on the host when its owner ends, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import Lab, wait_until

TESTS = Path(__file__).resolve().parents[1]
GONE = 10.0  # seconds a lab may take to vanish

OWNER = """
import time
from lab import Lab
with Lab() as lab:
    lab.start()
    lab.node1.run("systemctl start cranectld")
    print(lab.keeper.pid, lab.init, lab.cgroup, flush=True)
    time.sleep(600)
"""


@dataclass(frozen=True)
class Traces:
    """What a lab of another process has on this host."""

    owner: subprocess.Popen[str]
    keeper: int
    cgroup: Path
    processes: dict[str, str]  # process id: when it started, for the id may be used again
    namespaces: set[str]

    def left(self) -> list[str]:
        """What is still there of it."""
        found = [f"cgroup {self.cgroup}"] if self.cgroup.exists() else []
        found += [f"process {pid}" for pid, started in self.processes.items() if start_time(pid) == started]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        return found + [line for line in mounts if "/run/lab" in line or "build/lab/rootfs" in line]


def other_lab() -> Traces:
    """A running lab that another process owns."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=TESTS, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert owner.stdout
    keeper, init, cgroup = owner.stdout.readline().split()
    members = [pid for procs in Path(cgroup).rglob("cgroup.procs") for pid in procs.read_text().split()]
    namespaces = set().union(*map(namespaces_of, members)) - namespaces_of("self")
    pids = [process.name for process in Path("/proc").glob("[0-9]*") if namespaces & namespaces_of(process.name)]
    processes = {pid: start_time(pid) for pid in (*pids, keeper, init)}
    return Traces(owner, int(keeper), Path(cgroup), processes, namespaces)


def namespaces_of(pid: str) -> set[str]:
    try:
        return {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in ("pid", "mnt", "net")}
    except OSError:
        return set()  # it has just ended


def start_time(pid: str) -> str:
    """In clock ticks since the host's boot; "" for no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_when_the_owner_ends(number: signal.Signals) -> None:
    traces = other_lab()
    assert len(traces.left()) > 10
    assert len(traces.namespaces) >= 9  # the lab's own three, and each node's
    os.kill(traces.owner.pid, number)
    traces.owner.wait(GONE)
    wait_until(
        f"the lab is gone after {number.name}", lambda: not traces.left(), GONE, lambda: "\n".join(traces.left())
    )


def test_nothing_but_a_cgroup_stays_when_the_keeper_is_killed_and_the_next_lab_sweeps_it() -> None:
    traces = other_lab()
    os.kill(traces.keeper, signal.SIGKILL)
    traces.owner.kill()
    traces.owner.wait(GONE)
    wait_until(
        "all but the cgroup is gone",
        lambda: traces.left() in ([], [f"cgroup {traces.cgroup}"]),
        GONE,
        lambda: "\n".join(traces.left()),
    )
    with Lab():
        assert not traces.cgroup.exists()
