"""The node, once for each shell that is /bin/sh on a system we support: Debian's dash, and bash in its posix mode."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pytest

from .node import ASK, RESTART, Node


@pytest.fixture(params=["dash", "bash"])
def shell(request: pytest.FixtureRequest) -> Path:
    """What /bin/sh is. bash called by the name of sh is in its posix mode."""
    found = shutil.which(cast(str, request.param), path="/usr/bin")
    if not found:
        pytest.skip(f"no {request.param} on this machine")
    return Path(found)


@pytest.fixture
def silence() -> Iterator[IO[bytes]]:
    """Something to read from that never says a word and never ends."""
    receives, sends = os.pipe()
    with os.fdopen(receives, "rb") as silent, os.fdopen(sends, "wb"):
        yield silent


@pytest.fixture
def node(shell: Path, silence: IO[bytes]) -> Iterator[Node]:
    """A healthy standby without executables of the administrator. Whatever happens to it, no other order is given."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for a mount namespace")
    # not tmp_path, which stays behind
    with tempfile.TemporaryDirectory(prefix="crane-scripts-") as root:
        made = Node(Path(root), shell, stdin=silence)
        yield made
        assert set(made.calls("systemctl")) <= {RESTART, ASK}
