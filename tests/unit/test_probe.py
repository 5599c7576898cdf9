"""The question at cranectld's port: who takes a connection in lives, who leaves it in the kernel's queue hangs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from crane_keepalived.probe import Probe, Pulse

from .queue_node import wait_until


@pytest.fixture(params=["0.0.0.0", "::"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A port on every address, as cranectld opens it; who accepts is the test."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as listening:
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind((request.param, 0))
        listening.listen(4)
        listening.settimeout(5)
        yield listening


@pytest.fixture
def alive(tmp_path: Path) -> Path:
    """The alive file, which a cranectld that starts has not made yet."""
    return tmp_path / "cranectld.alive"


@pytest.fixture
def probe(server: socket.socket, alive: Path) -> Probe:
    return Probe(server.getsockname()[1], alive)


def answered(probe: Probe, server: socket.socket, last_words: bytes = b"") -> None:
    """One question that is taken in, and answered or not."""
    probe.ask()
    with server.accept()[0] as client:
        client.sendall(last_words)
        probe.ask()
    server.accept()[0].close()


def take_in_all(server: socket.socket) -> None:
    server.settimeout(0.3)
    with suppress(socket.timeout):
        while True:
            server.accept()[0].close()
    server.settimeout(5)


@pytest.mark.parametrize("words", [b"", b"node1 1\n"])
def test_who_takes_in_and_says_nothing_lives(probe: Probe, server: socket.socket, words: bytes) -> None:
    for _ in range(3):
        answered(probe, server, words)
    assert probe.failures == 0


def test_who_leaves_us_waiting_hangs_and_is_forgiven_when_he_does_not(probe: Probe, server: socket.socket) -> None:
    answered(probe, server)
    probe.ask()  # the last one was closed: an answer
    for count in (1, 2, 3):
        probe.ask()
        assert probe.failures == count
    take_in_all(server)
    answered(probe, server)
    assert probe.failures == 0


def test_a_queue_too_full_to_wait_in_is_no_answer(probe: Probe, server: socket.socket) -> None:
    answered(probe, server)
    probe.ask()
    port = server.getsockname()[1]
    crowd = [socket.socket() for _ in range(9)]
    for client in crowd:
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
    probe.ask()
    probe.ask()
    assert probe.failures >= 2
    for client in crowd:
        client.close()


def test_a_question_that_could_not_be_looked_at_counts_for_nothing(
    probe: Probe, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(probe, server)
    probe.ask()
    with monkeypatch.context() as patched:
        patched.setattr(probe, "_was_taken", lambda _: os.open("/no/such/file", os.O_RDONLY))
        with pytest.raises(OSError, match="No such file"):
            probe.ask()
    probe.ask()
    assert probe.failures == 0


def test_a_port_that_closed_is_no_answer(probe: Probe, server: socket.socket) -> None:
    answered(probe, server)
    probe.ask()
    server.close()
    before = time.monotonic()
    for _ in range(4):
        probe.ask()
    assert probe.failures >= 3
    assert time.monotonic() - before < 1


def test_who_never_answered_may_still_be_starting(server: socket.socket, alive: Path) -> None:
    port = server.getsockname()[1]
    for probe in (Probe(port, alive), Probe(1, alive)):
        for _ in range(5):
            probe.ask()
        assert probe.failures == 0


def test_who_is_ready_and_never_answered_hangs(probe: Probe, server: socket.socket, alive: Path) -> None:
    probe.ask()
    alive.touch()
    for count in (1, 2, 3):
        probe.ask()
        assert probe.failures == count
    answered(probe, server)
    take_in_all(server)
    probe.ask()
    assert probe.failures == 0


def test_who_is_ready_and_hangs_before_a_crowd(probe: Probe, server: socket.socket, alive: Path) -> None:
    crowd = [socket.socket() for _ in range(9)]
    for client in crowd:
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", server.getsockname()[1]))
    alive.touch()
    for _ in range(4):
        probe.ask()
    assert probe.failures == 3
    for client in crowd:
        client.close()


def test_who_is_ready_and_listens_elsewhere_is_not_asked_there(alive: Path) -> None:
    alive.touch()
    probe = Probe(1, alive)
    for _ in range(5):
        probe.ask()
    assert probe.failures == 0


def test_who_is_stopped_for_two_looks_stands_still() -> None:
    # a name in the form of a state, as proc(5) shows it between brackets
    command = [sys.executable, "-c", "open('/proc/self/comm', 'w').write('a) T 1'); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as it:
        proc = Path(f"/proc/{it.pid}")
        wait_until("it has its name", lambda: (proc / "comm").read_text() == "a) T 1\n")
        pulse = Pulse(it.pid)

        def look(number: signal.Signals) -> bool:
            it.send_signal(number)
            stopped = number == signal.SIGSTOP
            wait_until(f"{number.name} is heeded", lambda: ("State:\tT" in (proc / "status").read_text()) is stopped)
            return pulse.stands_still()

        go, stop = signal.SIGCONT, signal.SIGSTOP
        seen = [look(number) for number in (go, go, stop, go, stop, stop, stop, go, stop)]
        assert seen == [False] * 5 + [True] * 2 + [False] * 2
        it.kill()
        it.wait()
        assert not pulse.stands_still()
