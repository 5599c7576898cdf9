"""The commands' ends: one line and an exit code, whatever happens, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crane_keepalived import __version__, cli, setup, status

REPOSITORY = Path(__file__).parents[2]


def end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException) -> tuple[int, str]:
    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(setup, "setup", fail)
    code = cli.setup_main([])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(28, "No space left on device", "/etc/x"), 1, "/etc/x: No space left on device"),
        (OSError("odd"), 1, "odd"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            ZeroDivisionError("x\ny"),
            1,
            "ZeroDivisionError: x y; this is a fault of crane-keepalived's, please report it",
        ),
    ],
)
def test_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    assert end(monkeypatch, capsys, error) == (code, f"crane-ha-setup: error: {said}\n")


def test_a_signal_is_an_interruption(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(setup, "setup", lambda *_arguments: os.kill(os.getpid(), signal.SIGTERM))
    assert (cli.setup_main([]), capsys.readouterr().err) == (130, "crane-ha-setup: error: interrupted\n")


def test_status_passes_the_screen_and_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "report", lambda root: (f"screen of {root}", 3))
    assert cli.ha_main(["status", "--root", "/x"]) == 3
    assert capsys.readouterr().out == "screen of /x\n"


@pytest.mark.parametrize("arguments", [[], ["statusses"], ["status", "--bogus"]])
def test_wrong_usage_of_crane_ha(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert cli.ha_main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def launch(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command's launcher, with this tree in the place of /usr/share/crane-keepalived."""
    text = (
        (REPOSITORY / "scripts" / command).read_text().replace("/usr/share/crane-keepalived", str(REPOSITORY / "src"))
    )
    argv = [sys.executable, "-c", text, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("command", ["crane-ha-setup", "crane-ha"])
def test_the_launchers(command: str) -> None:
    assert launch(command, "--version").stdout == f"crane-keepalived {__version__}\n"
    assert launch(command, "--help").stdout.startswith(f"usage: {command} ")
    assert launch(command, "--bogus").returncode == 2


def test_a_reader_that_leaves_early_sees_no_traceback(tmp_path: Path) -> None:
    config = REPOSITORY / "tests" / "data" / "config.yaml"
    text = (REPOSITORY / "scripts/crane-ha-setup").read_text()
    launcher = tmp_path / "launcher"
    launcher.write_text(text.replace("/usr/share/crane-keepalived", str(REPOSITORY / "src")))
    command = (
        f"{sys.executable} {launcher} --root {tmp_path} --config {config} --role master --vip 10.0.0.1 --interface x"
    )
    done = subprocess.run(["sh", "-c", f"{command} --dry-run | true"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
