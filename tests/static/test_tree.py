"""What must be said in two places is said alike, and what must not stand in the tree does not."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
SPEC = (TREE / "crane-keepalived.spec").read_text()
PYPROJECT = (TREE / "pyproject.toml").read_text()
MAKEFILE = (TREE / "Makefile").read_text()


def find(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    assert found, pattern
    return found.group(1)


def tree_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=TREE, check=True, stdout=subprocess.PIPE, text=True
    )
    return [TREE / name for name in sorted(listed.stdout.splitlines()) if (TREE / name).is_file()]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


FILES = tree_files()
PRODUCT = [
    path for path in FILES if path.relative_to(TREE).parts[0] in ("src", "scripts", "selinux", "systemd", "docs")
]


def test_one_version() -> None:
    version = find(r"^Version: +(\S+)$", SPEC)
    assert find(r'^version = "(.*)"$', PYPROJECT) == version
    assert find(r'^__version__ = "(.*)"$', text_of(TREE / "src/crane_keepalived/__init__.py")) == version
    assert find(r"^## \[?([0-9][^\] ]*)", text_of(TREE / "CHANGELOG.md")) == version
    assert find(r"^\* .* - (\S+)-1$", SPEC.partition("%changelog")[2]) == version


def test_one_floor_of_python() -> None:
    assert find(r"^Requires: +python3 >= (\S+)$", SPEC) == "3.9"
    assert find(r'^requires-python = ">=(.*)"$', PYPROJECT) == "3.9"
    assert find(r'^target-version = "(.*)"$', PYPROJECT) == "py39"
    assert find(r'^python_version = "(.*)"$', PYPROJECT) == "3.9"
    assert "-t=3.9-" in MAKEFILE


@pytest.mark.parametrize(("project", "package"), [("Jinja2", "python3-jinja2"), ("PyYAML", "python3-pyyaml")])
def test_one_floor_of_libraries_and_it_is_tested(project: str, package: str) -> None:
    floor = find(rf"^Requires: +{package} >= (\S+)$", SPEC)
    assert f'"{project}>={floor}"' in PYPROJECT
    pinned = find(rf"^{project}==(\S+)$", text_of(TREE / "tests/requirements-floor.txt"))
    assert pinned.startswith(f"{floor}.")


def test_one_licence() -> None:
    assert find(r"^License: +(\S+)$", SPEC) == "AGPL-3.0-or-later"
    assert 'text = "AGPL-3.0-or-later"' in PYPROJECT
    assert "GNU AFFERO GENERAL PUBLIC LICENSE\n" in text_of(TREE / "LICENSE")


def test_every_tool_is_pinned_to_one_release() -> None:
    for name in ("requirements.txt", "requirements-floor.txt"):
        for line in text_of(TREE / "tests" / name).splitlines():
            assert re.match(r"#|$|[A-Za-z0-9_.-]+==[0-9][^\s;]*(;|\s|$)", line), f"{name}: {line}"


def test_make_help_lists_every_target() -> None:
    targets = set(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE))
    explained = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert {name for line in targets for name in line.split()} - explained == {"packages"}


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".py"], ids=lambda path: path.name)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len(text_of(path).splitlines()) <= 300


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.name)
def test_product_touches_no_public_folder_and_advises_no_switching_off(path: Path) -> None:
    text = text_of(path)
    assert not re.search(r"(?<![\w.])/(var/)?tmp\b", text)
    assert not re.search(r"setenforce|SELINUX=(permissive|disabled)|\bpkill\b|\bkillall\b", text)
