"""The build itself: clean to rpmlint, the same twice, and able to make an older package to upgrade from."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packages import DIST, TREE, read_header, the_package


def make(*arguments: str) -> None:
    # the outer make's own variables and flags are not this one's
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(
        ["make", "RPMFLAGS=--nocheck", *arguments], cwd=TREE, env=environment, check=True, stdout=subprocess.PIPE
    )


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")  # make's stamps
    }


def test_rpmlint_has_nothing_to_say_that_is_not_explained() -> None:
    rpmlint = Path(sys.executable).with_name("rpmlint")
    run = subprocess.run(
        [rpmlint, "--config", TREE / ".rpmlint.toml", *sorted(DIST.glob("*.rpm"))],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert " 0 errors, 0 warnings" in run.stdout, run.stdout


def test_a_second_build_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    make("repo", f"DIST={tmp_path / 'again'}")
    first, second = digests(DIST), digests(tmp_path / "again")
    assert first == second
    assert sum(name.endswith(".rpm") for name in second) == 3


def test_another_umask_and_language_build_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    before = os.umask(0o077)
    try:
        make("rpm", f"DIST={tmp_path / 'again'}")
    finally:
        os.umask(before)
    expected = {name: digest for name, digest in digests(DIST).items() if name.endswith(".rpm")}
    assert digests(tmp_path / "again") == expected


def test_an_older_package_is_older_and_leaves_dist_alone(tmp_path: Path) -> None:
    before = digests(DIST)
    make("rpm", "RELEASE=0.1", f"DIST={tmp_path / 'older'}")
    (older,) = (tmp_path / "older").glob("crane-keepalived-[0-9]*.noarch.rpm")
    assert read_header(older)["release"].startswith("0.1")
    assert read_header(the_package("crane-keepalived-[0-9]*.noarch.rpm"))["release"].startswith("1")
    assert digests(DIST) == before
