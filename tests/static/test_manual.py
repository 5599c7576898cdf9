"""The manual names every option and every key, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crane_keepalived import options
from crane_keepalived.keys import KEYS, Key

PAGE = (Path(__file__).parents[2] / "docs/crane-ha-setup.8").read_text()


def documented() -> set[str]:
    found = re.findall(r"^\.It Fl -([a-z-]+)(?: \| -([a-z-]+))?", PAGE, re.MULTILINE)
    return {f"--{name}" for pair in found for name in pair if name}


def test_manual_lists_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse(["--help"])
    offered = set(re.findall(r"^ +(?:-h, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert documented() == offered - {"--help"}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_manual_gives_each_key_beside_its_option(key: Key) -> None:

    assert re.search(rf"^\.It Fl {key.option[1:]}\b.* , Va {key.name}$", PAGE, re.MULTILINE)
