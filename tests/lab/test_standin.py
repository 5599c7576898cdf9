"""The stand-in behaves as cranectld does: its lock, alive file, messages, exit codes."""

from __future__ import annotations

import subprocess

import pytest

from lab import Lab, Node

LOCK, ALIVE = "cranectld/cranectld.lock", "cranectld/cranectld.alive"
AS_CRANE = "setpriv --reuid=crane --regid=crane --init-groups"


def cranectld(
    node: Node, prefix: str = "", config: str = "", to: str = "/dev/stdout"
) -> subprocess.CompletedProcess[str]:
    """Runs it to its end, as user crane, with its folder there."""
    node.run("install -d -o crane -g crane /var/crane/cranectld")
    if config:
        node.write("/tmp/config.yaml", config)
    option = "-C /tmp/config.yaml" if config else ""
    return node.run(f"{AS_CRANE} {prefix} cranectld {option} >{to} 2>&1", check=False, timeout=10)


def test_refuses_when_the_lock_is_held(both_on: Lab) -> None:
    done = cranectld(both_on.node1, f"flock /var/crane/{LOCK}")
    assert done.returncode == 1
    assert "There is another CraneCtld instance running. Exiting..." in done.stdout
    assert not (both_on.shared / ALIVE).exists()


def test_refuses_a_lock_file_of_root(both_on: Lab) -> None:
    both_on.node1.run(f"install -D -m 644 /dev/null /var/crane/{LOCK}")
    done = cranectld(both_on.node1)
    assert done.returncode == 1
    assert f"Failed to lock /var/crane/{LOCK}: Bad file descriptor. Exiting..." in done.stdout


def test_exits_before_ready_and_after(both_on: Lab) -> None:
    both_on.node1.standin(EXIT_BEFORE_READY=7)
    assert cranectld(both_on.node1).returncode == 7
    assert not (both_on.shared / ALIVE).exists()
    both_on.node1.standin(EXIT_AFTER=0.1)
    assert cranectld(both_on.node1).returncode == 3
    assert (both_on.shared / ALIVE).exists()


def test_alive_file_stays_after_a_crash_only(both_on: Lab) -> None:
    node, alive = both_on.node1, both_on.shared / ALIVE
    node.run("systemctl start cranectld")
    both_on.wait_until("it is ready", alive.exists, 5)
    node.run("systemctl stop cranectld")
    assert not alive.exists()
    node.run("systemctl start cranectld")
    both_on.wait_until("it is ready again", alive.exists, 5)
    node.kill()
    both_on.wait_until("the unit has failed", lambda: node.unit_state("cranectld") == "failed", 5)
    assert alive.exists()


def test_dies_of_sigterm_before_it_is_ready(both_on: Lab) -> None:
    node = both_on.node1
    node.standin(START_SECONDS=60)
    node.run("systemctl start cranectld")
    both_on.wait_until("it holds the lock", lambda: both_on.active() is node, 5)
    node.run("systemctl stop cranectld", timeout=5)
    assert not (both_on.shared / ALIVE).exists()


def test_takes_its_time_to_start_and_stop(both_on: Lab) -> None:
    node = both_on.node1
    node.standin(START_SECONDS=0.5, STOP_SECONDS=0.4, LEDGER="/var/crane/ledger")
    node.run("systemctl start cranectld")
    both_on.wait_until("it is ready", (both_on.shared / ALIVE).exists, 5)
    node.run("systemctl stop cranectld")
    told = {words[4]: float(words[2]) for words in map(str.split, node.read("/var/crane/ledger").splitlines())}
    assert list(told) == ["start", "locked", "ready", "stop", "end"]
    assert 0.4 < told["ready"] - told["start"] < 0.7
    assert 0.4 <= told["end"] - told["stop"] < 0.6


def test_ignores_sigterm_when_told(both_on: Lab) -> None:
    node = both_on.node1
    node.standin(IGNORE_SIGTERM=1)
    node.run("systemctl start cranectld")
    both_on.wait_until("it is ready", (both_on.shared / ALIVE).exists, 5)
    node.run("systemctl kill --signal=TERM cranectld; sleep 0.5")
    assert node.unit_state("cranectld") == "active"
    node.run("systemctl kill --signal=KILL cranectld")


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ("CraneCtldForeground: true", {"/var/crane/cranectld/cranectld.lock"}),
        (
            "{CraneBaseDir: /tmp/a, CraneCtldForeground: true, Keepalived: {CraneSharedBaseDir: /tmp/b}}",
            {"/tmp/b/cranectld/cranectld.lock", "/tmp/a/cranectld/cranectld.alive"},
        ),
        (
            "{CraneBaseDir: /tmp/a, CraneCtldMutexFilePath: /tmp/c/lock, CraneCtldForeground: true, "
            "Keepalived: {CraneSharedBaseDir: /tmp/b, CraneCtldAliveFile: d/alive}}",
            {"/tmp/c/lock", "/tmp/a/d/alive"},
        ),
    ],
)
def test_paths(both_on: Lab, config: str, files: set[str]) -> None:
    both_on.node1.standin(EXIT_AFTER=0)
    assert cranectld(both_on.node1, config=config).returncode == 3
    found = both_on.node1.run("find /var/crane /tmp/a /tmp/b /tmp/c -type f ! -name '*.log'", check=False).stdout
    both_on.node1.run("rm -rf /tmp/a /tmp/b /tmp/c")
    assert set(found.split()) == files


def test_needs_a_shared_base(both_on: Lab) -> None:
    done = cranectld(both_on.node1, config="Keepalived: {CraneCtldAliveFile: x}")
    assert done.returncode == 1
    assert "Keepalived.CraneSharedBaseDir is not set in configuration file." in done.stdout


def test_forks_without_foreground(both_on: Lab) -> None:
    both_on.node1.standin(EXIT_AFTER=1)  # which it does in the background
    assert (
        cranectld(both_on.node1, "setsid --fork", config="CraneCtldForeground: false", to="/dev/null").returncode == 0
    )
    both_on.wait_until("its child holds the lock", lambda: both_on.active() is both_on.node1, 5)
    both_on.wait_until("its child has ended", lambda: both_on.active() is None, 5)
