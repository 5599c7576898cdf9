"""make demo is the first thing a stranger runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).with_name("demo.py")


def test_it_shows_three_outages_and_ends_well() -> None:
    shown = subprocess.run([sys.executable, DEMO], capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("\n  outage 0.") == 3
    assert "Never two daemons" in shown.stdout


def test_interrupted_it_says_so_and_leaves_nothing() -> None:
    demo = subprocess.Popen([sys.executable, DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert demo.stdout
    for line in demo.stdout:
        if line.startswith("node1 # crane-ha-setup"):
            break
    os.kill(demo.pid, signal.SIGINT)
    said, trouble = demo.communicate(timeout=30)
    assert (demo.returncode, "Traceback" in trouble) == (130, False)
    assert said.endswith("nothing stays behind\n")
    assert "/run/lab" not in Path("/proc/self/mountinfo").read_text()
