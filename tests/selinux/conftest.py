"""The linked policy, once for all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from selinux.store import Linked, find, link


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for policies; pytest would keep its own for three sessions."""
    made = tmp_path_factory.mktemp("policies")
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def linked(scratch: Path) -> Linked:
    if not os.access(find().active, os.R_OK | os.X_OK):
        pytest.skip("needs root, who alone may read a policy's store")
    return link(scratch)
