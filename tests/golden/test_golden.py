"""What crane-ha-setup writes, byte for byte. Each folder: a configuration, the options, and the files expected of them.

make golden                                   compare
GOLDEN_REGENERATE=1 make golden; git diff     write what is rendered now, to be read before it is kept
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest

from crane_keepalived import cli, keepalived, run, settings
from crane_keepalived.model import KEEPALIVED_CONF, SETTINGS

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "data" / "config.yaml"
CASES = sorted(path.name for path in HERE.iterdir() if (path / "args").is_file())


def rendered(root: Path) -> dict[str, bytes]:
    files = (path for path in (root / "etc").rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def set_up(case: str, root: Path, *more: str) -> None:
    """Run crane-ha-setup on a copy of the case's own root folder, or on an empty one."""
    folder = HERE / case
    if (folder / "root").is_dir() and not any(root.iterdir()):
        shutil.copytree(folder / "root", root, dirs_exist_ok=True)
        for path in root.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
    config = folder / "config.yaml"
    arguments = shlex.split((folder / "args").read_text(), comments=True)
    config_arguments = ["--config", str(config if config.exists() else SAMPLE)]
    assert cli.setup_main(["--root", str(root), *config_arguments, *arguments, *more]) == 0


@pytest.mark.parametrize("case", CASES)
def test_files(case: str, tmp_path: Path) -> None:
    set_up(case, tmp_path)
    given = rendered(HERE / case / "root")
    found = {name: content for name, content in rendered(tmp_path).items() if name not in given}
    expected = HERE / case / "expected"
    if os.environ.get("GOLDEN_REGENERATE"):
        shutil.rmtree(expected, ignore_errors=True)
        for name, content in found.items():
            (expected / name).parent.mkdir(parents=True, exist_ok=True)
            (expected / name).write_bytes(content)
    assert found == rendered(expected)


@pytest.mark.parametrize("case", CASES)
def test_what_was_given_by_option_is_remembered(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(case, tmp_path)
    before = rendered(tmp_path)
    capsys.readouterr()
    config = HERE / case / "config.yaml"
    again = ["--root", str(tmp_path), "--config", str(config if config.exists() else SAMPLE)]
    assert cli.setup_main(again) == 0
    assert capsys.readouterr().out == "unchanged: all is as asked\n"
    assert rendered(tmp_path) == before


@pytest.mark.parametrize("case", CASES)
def test_keepalived_accepts_it(case: str, tmp_path: Path) -> None:
    if not run.installed("keepalived") and "RPM_BUILD_ROOT" in os.environ:
        pytest.skip("a package is built where there is no keepalived; `make golden` insists on it")
    text = (HERE / case / "expected" / KEEPALIVED_CONF.relative_to("/")).read_text()
    path = tmp_path / "keepalived.conf"
    path.write_text(keepalived.portable(text, tmp_path))
    path.chmod(0o600)
    done = run.run("keepalived", "-t", "-f", str(path), check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("case", CASES)
def test_shell_and_python_read_the_settings_alike(case: str) -> None:
    path = HERE / case / "expected" / SETTINGS.relative_to("/")
    known = settings.load(HERE / case / "expected")
    done = run.run("sh", "-c", '. "$1"; printf "%s\\n" "$HA_LOCK" "$ADDRESSES" "$CLUSTER_ID"', "sh", str(path))
    assert done.stdout.splitlines() == [str(known.ha_lock), " ".join(known.addresses), known.cluster_id]


def test_there_is_a_dozen() -> None:
    assert len(CASES) >= 12
