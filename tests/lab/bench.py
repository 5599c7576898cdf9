"""make bench: the guide's hand-written set-up, Pacemaker, and ours, each in a lab of its own, side by side in one run.

Prints a table in Markdown, median / max (runs) in each cell, and for ours a second one of what must not move the
service. It judges nothing. What is being measured is told on stderr.

    RUNS=3 make bench           a quick look; the default is 10, and ours twice as many.
                                Two runs in a row that never come back are enough.
    ONLY=ours                   one of the columns: guide, pacemaker, ours
    FAULTS='kill -9,idle'       rows with one of these in the name; `idle`: the costs, `stall,busy`: the second table
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import Lab, Node
from lab.measure import faults, idle, stalls
from lab.measure.at_once import at_once
from lab.measure.peers import PEERS, Peer

RUNS = int(os.environ.get("RUNS") or 10)
ONLY = os.environ.get("ONLY", "")
ROWS = [part.strip() for part in os.environ.get("FAULTS", "").split(",") if part.strip()]
STATES = ("active", "standby")
DRY_RUN = "crane-ha-setup --dry-run, s"

Samples = dict[str, list[float]]  # by the row's name


def main() -> None:
    """Measures the set-ups, and prints the tables."""
    peers = [peer for peer in PEERS if ONLY in ("", peer.name)]
    if not peers:
        sys.exit(f"ONLY={ONLY}: one of {' '.join(peer.name for peer in PEERS)}")
    print(machine(peers), flush=True)
    columns = {peer.name: Samples() for peer in peers}
    with contextlib.ExitStack() as stack:
        mine = [peer for peer in peers for _ in range(peer.labs)]
        labs = [stack.enter_context(peer.lab()) for peer in mine]
        at_once(prepare, mine, labs)
        # what costs little has its windows of quiet only when nobody's machines boot any more
        for measure in (outages, costs, dry_runs):
            for peer, samples in zip(mine, at_once(measure, mine, labs)):
                for name, found in samples.items():
                    columns[peer.name].setdefault(name, []).extend(found)
    print(table(peers, columns), flush=True)
    for peer in peers:
        if peer.name == "ours":
            print(*no_false_failover(peer), sep="\n")


def prepare(peer: Peer, lab: Lab) -> None:
    """The set-up is installed, and saved to begin from."""
    lab.start()
    peer.install(lab)
    peer.wait_ready(lab)
    lab.save(faults.SAVED)


def wanted(name: str) -> bool:
    return not ROWS or any(part in name for part in ROWS)


def runs(peer: Peer) -> int:
    """How often a row is measured in each of the peer's labs."""
    return max(1, round(RUNS * peer.share / peer.labs))


def tell(peer: Peer, text: str) -> None:
    print(f"  {peer.name}: {text}", file=sys.stderr, flush=True)


def repeat(peer: Peer, lab: Lab, fault: faults.Fault) -> list[float]:
    """The peer's runs; one whose set-up was not even ready for it counts as none, and is told."""
    found: list[float] = []
    for _ in range(runs(peer)):
        try:
            found.append(faults.measure(peer, lab, fault))
        except AssertionError as error:
            if lab.closing:
                raise
            tell(peer, f"{fault.name}: a run that could not be measured: {str(error).splitlines()[0]}")
        if found[-faults.ENOUGH :] == [faults.NEVER] * faults.ENOUGH:
            break
    return found


def outages(peer: Peer, lab: Lab) -> Samples:
    """The rows of the faults, in seconds."""
    samples = {}
    for fault in faults.FAULTS:
        if wanted(fault.name) and faults.applies(fault, peer):
            samples[fault.name] = repeat(peer, lab, fault)
            tell(peer, f"{fault.name}: {' '.join(f'{each:.2f}' for each in samples[fault.name])}")
    return samples


def costs(peer: Peer, lab: Lab) -> Samples:
    """The rows of idle.py."""
    if not any(wanted(cost_row(title, state)) for title, _ in idle.COSTS for state in STATES):
        return {}
    try:
        fresh(peer, lab)
        found = idle.measure(peer, lab, runs(peer))
    except (AssertionError, OSError) as error:  # not ready, or not idle: a unit's cgroup went away
        if lab.closing:
            raise
        tell(peer, f"idle: could not be measured: {error}")
        return {}
    tell(peer, f"idle: {found}")
    return {
        cost_row(title, state): [getattr(cost, name) for cost in found[state]]
        for title, name in idle.COSTS
        for state in STATES
    }


def cost_row(title: str, state: str) -> str:
    return f"{title}, {state}"


def no_false_failover(peer: Peer) -> list[str]:
    """The second table; empty when none of its rows is wanted."""
    what_stalls = [(name, what) for name, what in stalls.STALLS if wanted(name)]
    if not what_stalls:
        return []
    rows = [stalls.HEAD]
    with contextlib.ExitStack() as stack:
        labs = [stack.enter_context(peer.lab()) for _ in range(stalls.PAIRS)]
        at_once(prepare, [peer] * len(labs), labs)
        for name, what in what_stalls:
            found: list[stalls.Calm] = []
            for _ in range(math.ceil(RUNS * peer.share / len(labs))):
                try:
                    found += stalls.measure(peer, labs, what)
                except AssertionError as error:
                    tell(peer, f"{name}: runs that could not be measured: {str(error).splitlines()[0]}")
            tell(peer, f"{name}: {found}")
            rows.append(stalls.row(name, found))
    return rows


def fresh(peer: Peer, lab: Lab) -> None:
    """Both nodes booted anew, from the disks as they were saved."""
    lab.restore(faults.SAVED)
    lab.start()
    peer.wait_ready(lab)


def dry_runs(peer: Peer, lab: Lab) -> Samples:
    """How long our setup takes to show what it would do."""
    if peer.name != "ours" or not wanted(DRY_RUN):
        return {}
    fresh(peer, lab)
    return {DRY_RUN: [seconds_of(lab.node1, "crane-ha-setup --dry-run") for _ in range(runs(peer))]}


def seconds_of(node: Node, command: str) -> float:
    """Wall-clock seconds of a command on a node, without the way into the node."""
    timer = f"import subprocess, time; t = time.monotonic(); subprocess.run({command.split()!r}, stdout=-3, stderr=-3);"
    return float(node.run(["python3", "-c", timer + "print(time.monotonic() - t)"]).stdout)


# --- what is printed -------------------------------------------------------------------------------------------------


def table(peers: Sequence[Peer], columns: Mapping[str, Samples]) -> str:
    """Of all that was measured; a cell that does not apply to a set-up has a dash."""
    names = [fault.name for fault in faults.FAULTS]
    names += [cost_row(title, state) for title, _ in idle.COSTS for state in STATES] + [DRY_RUN]
    lines = [f"| median / max (runs) | {' | '.join(peer.column for peer in peers)} |", "|---" * (len(peers) + 1) + "|"]
    for name in names:
        cells = [columns[peer.name].get(name) for peer in peers]
        if any(cell is not None for cell in cells):
            shown = ("–" if cell is None else figure(cell) for cell in cells)  # noqa: RUF001
            lines.append(f"| {name} | {' | '.join(shown)} |")
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
