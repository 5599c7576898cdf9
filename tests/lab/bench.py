"""make bench: the guide's hand-written set-up, Pacemaker, and ours beside each other, in one lab and one run.

Prints a table in Markdown, median / max (runs) in each cell, and for ours a second one of what must not move the
service. It judges nothing. What is being measured is told on stderr.

    RUNS=3 make bench           a quick look; the default is 10, of which Pacemaker gets half, and ours twice as many.
                                Two runs in a row that never come back are enough, and so is RUNS where one takes long.
    ONLY=ours                   one of the columns: guide, pacemaker, ours
    FAULTS='kill -9,idle'       rows with one of these in the name; `idle`: the costs, `stall,busy`: the second table
"""

from __future__ import annotations

import functools
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import VIP, Lab, Node
from lab.measure import faults, idle, stalls
from lab.measure.peers import PEERS, Peer
from lab.pair import install

RUNS = int(os.environ.get("RUNS") or 10)
ONLY = os.environ.get("ONLY", "")
ROWS = [part.strip() for part in os.environ.get("FAULTS", "").split(",") if part.strip()]
STATES = ("active", "standby")
DRY_RUN = "crane-ha-setup --dry-run, s"

Cells = dict[str, str]  # of one column, by the row's name
Run = TypeVar("Run")


def main() -> None:
    """Measures the set-ups one after the other, and prints the tables."""
    peers = [peer for peer in PEERS if ONLY in ("", peer.name)]
    if not peers:
        sys.exit(f"ONLY={ONLY}: one of {' '.join(peer.name for peer in PEERS)}")
    print(machine(peers), flush=True)
    columns, calm = [], []
    for peer in peers:
        with peer.lab() as lab:
            lab.start()
            cells = dry_runs(peer, lab)
            peer.install(lab)
            peer.wait_ready(lab)
            lab.save(faults.SAVED)
            cells.update(outages(peer, lab))
            cells.update(costs(peer, lab))
            columns.append(cells)
            if peer.name == "ours":
                calm = no_false_failover(peer, lab)
    print(table(peers, columns))
    if calm:
        print("\n| no false failover, ours | cranectld moved | gaps over 0.25 s | longest gap, s: median / max |")
        print("|---|---|---|---|", *calm, sep="\n")


def wanted(name: str) -> bool:
    return not ROWS or any(part in name for part in ROWS)


def runs(peer: Peer, long: bool = False) -> int:
    """How often a row is measured."""
    return max(1, round(RUNS * (min(peer.share, 1) if long else peer.share)))


def tell(peer: Peer, text: str) -> None:
    print(f"  {peer.name}: {text}", file=sys.stderr, flush=True)


def repeat(peer: Peer, name: str, run: Callable[[], Run], long: bool = False) -> list[Run]:
    """The peer's runs; one whose set-up was not even ready for it counts as none, and is told."""
    found: list[Run] = []
    for _ in range(runs(peer, long)):
        try:
            found.append(run())
        except AssertionError as error:
            tell(peer, f"{name}: a run that could not be measured: {str(error).splitlines()[0]}")
        if found[-faults.ENOUGH :] == [faults.NEVER] * faults.ENOUGH:
            break
    return found


def outages(peer: Peer, lab: Lab) -> Cells:
    """The cell of each fault."""
    cells = {}
    for fault in faults.FAULTS:
        if wanted(fault.name) and faults.applies(fault, peer):
            run = functools.partial(faults.measure, peer, lab, fault)
            seconds = repeat(peer, fault.name, run, fault.long)
            tell(peer, f"{fault.name}: {' '.join(f'{each:.2f}' for each in seconds)}")
            cells[fault.name] = figure(seconds)
    return cells


def costs(peer: Peer, lab: Lab) -> Cells:
    """The cells of the rows of idle.py."""
    if not any(wanted(cost_row(title, state)) for title, _ in idle.COSTS for state in STATES):
        return {}
    try:
        fresh(peer, lab)
        found = idle.measure(peer, lab, runs(peer, long=True))
    except (AssertionError, OSError) as error:  # not ready, or not idle: a unit's cgroup went away
        tell(peer, f"idle: could not be measured: {error}")
        return {}
    tell(peer, f"idle: {found}")
    return {
        cost_row(title, state): figure([getattr(cost, name) for cost in found[state]])
        for title, name in idle.COSTS
        for state in STATES
    }


def cost_row(title: str, state: str) -> str:
    return f"{title}, {state}"


def no_false_failover(peer: Peer, lab: Lab) -> list[str]:
    """The rows of the second table."""
    rows = []
    for name, what in stalls.STALLS:
        if wanted(name):
            found = repeat(peer, name, functools.partial(stalls.measure, peer, lab, what))
            tell(peer, f"{name}: {found}")
            rows.append(stalls.row(name, found))
    return rows


def fresh(peer: Peer, lab: Lab) -> None:
    """Both nodes booted anew, from the disks as they were saved."""
    lab.restore(faults.SAVED)
    lab.start()
    peer.wait_ready(lab)


def dry_runs(peer: Peer, lab: Lab) -> Cells:
    """How long our setup takes to show what it would do."""
    if peer.name != "ours" or not wanted(DRY_RUN):
        return {}
    install(lab)
    command = f"crane-ha-setup --role master --vip {VIP} --dry-run"
    return {DRY_RUN: figure([seconds_of(lab.node1, command) for _ in range(runs(peer))])}


def seconds_of(node: Node, command: str) -> float:
    """Wall-clock seconds of a command on a node, without the way into the node."""
    timer = f"import subprocess, time; t = time.monotonic(); subprocess.run({command.split()!r}, stdout=-3, stderr=-3);"
    return float(node.run(["python3", "-c", timer + "print(time.monotonic() - t)"]).stdout)


# --- what is printed -------------------------------------------------------------------------------------------------


def table(peers: Sequence[Peer], columns: Sequence[Cells]) -> str:
    """Of all that was measured; a cell that does not apply to a set-up has a dash."""
    names = [fault.name for fault in faults.FAULTS]
    names += [cost_row(title, state) for title, _ in idle.COSTS for state in STATES] + [DRY_RUN]
    lines = [f"| median / max (runs) | {' | '.join(peer.column for peer in peers)} |", "|---" * (len(peers) + 1) + "|"]
    for name in names:
        if any(name in cells for cells in columns):
            lines.append(f"| {name} | {' | '.join(cells.get(name, '–') for cells in columns)} |")  # noqa: RUF001
    return "\n".join(lines)


def figure(values: Sequence[float]) -> str:
    """median / max (runs)"""
    if not values or any(map(math.isnan, values)):
        return "not measured"
    back = [value for value in values if value != faults.NEVER]
    told = f"{statistics.median(back):.2f} / {max(back):.2f} ({len(back)})" if back else ""
    if len(back) < len(values):
        never = f"not back after {faults.LIMIT:.0f} s ({len(values) - len(back)} of {len(values)})"
        told = f"{never}, else {told}" if told else never
    return told


def machine(peers: Sequence[Peer]) -> str:
    """On what, with what, and what the figures are."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), platform.machine())
    system = platform.freedesktop_os_release()["PRETTY_NAME"] if hasattr(platform, "freedesktop_os_release") else "?"
    versions = [f"{name} {version(peers[0].image(), name)}" for name in ("systemd", "keepalived")]
    for peer in peers:
        versions += [f"{name} {version(peer.image(), name)}" for name in peer.packages]
    cores = len(os.sched_getaffinity(0))
    return f"""\
{time.strftime("%Y-%m-%d")}, {cores} cores ({model}), {system}, Linux {platform.release()}
in the nodes: {", ".join(versions)}

Seconds without an answer, median / max (runs), that a client saw which asked through the address every 10 ms, unless
a row says otherwise. The stand-in for cranectld takes 0.30 s to start and 0.20 s to stop, which the figures contain.
"""


def version(image: Path, package: str) -> str:
    """Of a Debian package in an image."""
    asked = ["dpkg-query", f"--admindir={image}/var/lib/dpkg", "--show", "--showformat=${Version}", package]
    return subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the lab is gone, nothing stays behind")
