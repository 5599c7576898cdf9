"""What a set-up costs while nothing happens: processor, wake-ups and memory of the layer, on each node.

The layer is what keeps the service up: the processes in the cgroups of its units, those that lived for a moment, as
checks do, included, but not cranectld itself, which a node needs anyway. Processor time is the kernel's account of the
cgroups (cpu.stat) less that of cranectld's process. systemd, D-Bus and the journal work for the layer as well: that is
in the account of the whole node less cranectld.
Wake-ups are context switches, wanted or not: each time that a thread of the layer stopped running it had been woken,
or another had its turn. The kernel counts them for a cgroup (perf_event_open), so processes that have ended are in it.
Memory is what is resident: anonymous pages of every process, and pages of each file once for the node.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.lab import Lab
from lab.node import DAEMON, Node

from .peers import Peer

WINDOW = 20.0  # seconds of one run
QUIET = 20.0  # seconds after the start in which a set-up may still be busy with it
PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
SOFTWARE, CONTEXT_SWITCHES, OF_A_CGROUP = 1, 3, 4
ATTRIBUTES = struct.Struct("=IIQQQQQIIQ")  # type, size, which; the rest is zero: counts at once, and everything

libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Cost:
    """Of one node in one window."""

    layer: float  # milliseconds of a processor in a second
    node: float  # the same, of all that runs there but for cranectld
    wakeups: float  # in a second; not a number where the kernel does not count them
    memory: float  # MB


COSTS = (
    ("idle: the layer's CPU, ms per s", "layer"),
    ("idle: CPU of the whole node less cranectld, ms per s", "node"),
    ("idle: the layer's wake-ups per s", "wakeups"),
    ("idle: the layer's memory, MB", "memory"),
)


def measure(peer: Peer, lab: Lab, runs: int) -> dict[str, list[Cost]]:
    """For "active" and "standby" the cost in each of the windows, one after the other in a lab that is ready."""
    time.sleep(QUIET)
    active = lab.active()
    assert active, "nobody serves"
    found: dict[str, list[Cost]] = {"active": [], "standby": []}
    with contextlib.ExitStack() as open_files:
        meters = [open_files.enter_context(meter(lab, node, peer.units)) for node in lab.nodes]
        for _ in range(runs):
            before = [each.read() for each in meters]
            time.sleep(WINDOW)
            for each, then in zip(meters, before):
                found["active" if each.node is active else "standby"].append(each.cost(then))
    return found


@dataclass(frozen=True)
class Reading:
    """At one moment: seconds, and counts since the beginning of what is counted."""

    moment: float
    layer: float
    node: float
    switches: int


@dataclass(frozen=True)
class Meter:
    """Of one node: the cgroups of the layer's units, their counters, and cranectld's process if it runs here."""

    node: Node
    whole: Path
    units: list[Path]
    counters: list[int]
    daemon: int

    def read(self) -> Reading:
        seconds, switches = of_process(self.daemon) if self.daemon else (0.0, 0)
        in_layer = self.daemon in members(self.units)
        layer = sum(map(cpu_seconds, self.units)) - seconds * in_layer
        counted = sum(struct.unpack("=Q", os.read(counter, 8))[0] for counter in self.counters) - switches * in_layer
        return Reading(time.monotonic(), layer, cpu_seconds(self.whole) - seconds, counted)

    def cost(self, before: Reading) -> Cost:
        """In the time since."""
        now = self.read()
        seconds = now.moment - before.moment
        return Cost(
            layer=(now.layer - before.layer) / seconds * 1000,
            node=(now.node - before.node) / seconds * 1000,
            wakeups=(now.switches - before.switches) / seconds if self.counters else math.nan,
            memory=resident(members(self.units) - {self.daemon}) / 1e6,
        )


@contextlib.contextmanager
def meter(lab: Lab, node: Node, units: Iterable[str]) -> Iterator[Meter]:
    """Begins to count; where the kernel does not count for a cgroup, without wake-ups."""
    whole = lab.cgroup / node.name
    folders = [whole / "payload/system.slice" / unit for unit in units]
    folders = [folder for folder in folders if folder.is_dir()]
    main = node.main_pid(DAEMON)
    daemon = node.host_pid(main) if main else 0
    if daemon and Path(f"/proc/{daemon}/comm").read_text() != "cranectld\n":
        daemon = 0  # it still queues for the lock: that is the layer
    counters: list[int] = []
    try:
        with contextlib.suppress(OSError):
            counters += [counter(folder, cpu) for folder in folders for cpu in sorted(os.sched_getaffinity(0))]
        yield Meter(node, whole, folders, counters, daemon)
    finally:
        for each in counters:
            os.close(each)


def counter(cgroup: Path, cpu: int) -> int:
    """A descriptor whose content is the number of context switches of a cgroup's threads on a processor from now on.

    Raises OSError."""
    folder = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    try:
        asked = ATTRIBUTES.pack(SOFTWARE, ATTRIBUTES.size, CONTEXT_SWITCHES, *[0] * 7)
        made = libc.syscall(PERF_EVENT_OPEN.get(platform.machine(), -1), asked, folder, cpu, -1, OF_A_CGROUP)
        if made < 0:
            raise OSError(ctypes.get_errno(), f"perf_event_open: {os.strerror(ctypes.get_errno())}")
        return int(made)
    finally:
        os.close(folder)


def members(cgroups: Iterable[Path]) -> set[int]:
    """The processes in them and below."""
    files = [file for cgroup in cgroups for file in cgroup.rglob("cgroup.procs")]
    return {int(pid) for file in files for pid in file.read_text().split()}


def cpu_seconds(cgroup: Path) -> float:
    """All that ever ran in it and below; version 2 has this file whichever controllers it has."""
    return int((cgroup / "cpu.stat").read_text().split()[1]) / 1e6


def of_process(pid: int) -> tuple[float, int]:
    """Seconds and context switches of a living process's threads."""
    seconds, switches = 0.0, 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        seconds += int((thread / "schedstat").read_text().split()[0]) / 1e9
        lines = (thread / "status").read_text().splitlines()
        switches += sum(int(line.split()[1]) for line in lines if "voluntary_ctxt_switches" in line)
    return seconds, switches


def resident(pids: Iterable[int]) -> float:
    """Bytes; a page of a file that several of the processes have is in memory once, and one left of a fork as well."""
    anonymous, files = 0, dict[str, int]()
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
            total = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # it lived for a moment
        anonymous += sum(int(line.split()[1]) for line in total if line.startswith("Pss_Anon:"))
        mapping, here = "", 0
        for line in lines:
            words = line.split()
            if not words[0].endswith(":"):
                mapping = " ".join(words[2:5])  # offset, device, inode
            elif words[0] == "Rss:":
                here = int(words[1])
            elif words[0] == "Anonymous:":
                files[mapping] = max(files.get(mapping, 0), here - int(words[1]))
    return (anonymous + sum(files.values())) * 1024
