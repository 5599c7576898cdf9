"""make demo: two machines, one address, one cranectld, and three ways to lose it, as a client sees them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import VIP, Lab, Node, Outage
from lab.client import PORT
from lab.pair import Pair, install, new_lab, set_up

CELL = 0.05  # seconds that one character of the picture stands for
BEFORE, AFTER = 0.5, 2.0  # seconds of the picture before and after the fault


def main() -> None:
    """Run the whole demonstration."""
    say("crane-keepalived: two nodes, one address, one cranectld\n")
    say("Two machines boot (systemd-nspawn: real systemd, real keepalived, one folder as shared storage) ...")
    with new_lab() as lab:
        took = timed(lab.start)
        say(f"  node1 192.168.1.11 and node2 192.168.1.12 are up after {took:.1f} s\n")
        set_up_both(lab)
        pair = Pair(lab)
        pair.wait_ready()
        say(f"A client now asks {VIP}:{PORT} every 10 ms; each character below is {CELL * 1000:.0f} ms:")
        say("1 answered by node1, 2 by node2, . no answer\n")
        worst = [
            show(pair, "kill -9 of cranectld on {active}", lambda node: node.kill("cranectld.service")),
            show(pair, "{active} loses its power", power_loss),
            show(pair, "a planned hand-over: `systemctl restart cranectld` on {active}", hand_over),
        ]
        lab.invariants.check(limit=3.0)
        say("Never two daemons, and the address always with the one that runs. In all three cases 0.30 s are the start")
        say(f"of the stand-in for cranectld itself; the longest outage was {max(worst):.2f} s. Taking the lab down ...")


def set_up_both(lab: Lab) -> None:
    """Show the two commands of the README, on both nodes."""
    say("node1, node2 # dnf -y install crane-keepalived")
    say(f"  installed on both after {timed(lambda: install(lab)):.1f} s, from the packages just built\n")
    first, second = set_up(lab)
    say(f"node1 # crane-ha-setup --role master --vip {VIP}")
    quote(first.splitlines()[-2:])
    say("node2 # " + first.splitlines()[-1].partition(":")[2].strip())
    quote(second.splitlines()[-2:-1])
    say("node2 # systemctl status cranectld")
    status = lab.node2.run("systemctl --no-pager status cranectld", check=False).stdout
    quote([line for line in status.splitlines() if "Status:" in line or "Active:" in line])


def power_loss(node: Node) -> float:
    """Cut the power; the moment it was cut."""
    return node.power_off_hard()


def hand_over(node: Node) -> float:
    """The administrator's way to move the service."""
    began = time.monotonic()
    node.run(["systemctl", "restart", "cranectld"])
    return began


def show(pair: Pair, title: str, fault: Callable[[Node], float]) -> float:
    """Do it, draw what the client saw, and bring the pair back; the outage in seconds."""
    active, standby = pair.active, pair.standby
    pair.lab.watcher.clear()
    wait(BEFORE + 0.1)
    began: list[float] = []

    def do() -> float:
        began.append(fault(active))
        return began[0]

    gap = pair.after(do, served_by=standby)
    pair.lab.wait_until("the picture is whole", lambda: time.monotonic() >= began[0] + AFTER, AFTER + 5)
    say("* " + title.format(active=active.name))
    say("  " + picture(pair, began[0]))
    for moment, text in events(pair, began[0], gap):
        say(f"  {moment:6.2f} s  {text}")
    say(f"  outage {gap.seconds:.2f} s\n")
    if not active.is_on:
        active.start()
    pair.wait_ready()
    return gap.seconds


def picture(pair: Pair, began: float) -> str:
    """One character a cell of time: who answered last in it."""
    cells = []
    for number in range(int((BEFORE + AFTER) / CELL)):
        start = began - BEFORE + number * CELL
        answers = [a.node for a in pair.lab.client.answers(start) if start <= a.done < start + CELL]
        cells.append(answers[-1][-1] if answers else ".")
    return "".join(cells)


def events(pair: Pair, began: float, gap: Outage) -> list[tuple[float, str]]:
    """What happened when, in seconds after the fault."""
    found = [(0.0, "the fault")]
    last: set[str] = set()
    for sample in pair.lab.invariants.samples:
        if sample.t >= began:
            found += [(sample.t - began, f"the address leaves {name}") for name in last - set(sample.addresses)]
            found += [(sample.t - began, f"the address comes to {name}") for name in set(sample.addresses) - last]
        last = set(sample.addresses)
    if gap.end is not None:
        found.append((gap.end - began, f"the client is answered by {gap.after}"))
    return sorted(found)


def timed(work: Callable[[], object]) -> float:
    """Seconds that the work took."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def wait(seconds: float) -> None:
    """Let the client collect some answers before a fault."""
    time.sleep(seconds)


def quote(lines: list[str]) -> None:
    """Print what a program said."""
    for line in lines:
        say(f"  {line.strip()}")
    say("")


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        say("\ninterrupted: the lab is gone, nothing stays behind")
        sys.exit(130)
