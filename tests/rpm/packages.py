"""The packages under test: what `make rpm` left in dist/, read through rpm's own library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import rpm

TREE = Path(__file__).parents[2]
DIST = TREE / os.environ.get("DIST", "dist")


def read_header(path: Path) -> Any:
    """The header of one package file, as python3-rpm gives it. Raises rpm.error for a file that is none."""
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES | rpm.RPMVSF_MASK_NODIGESTS)
    with path.open("rb") as package:
        return transaction.hdrFromFdno(package.fileno())


def the_package(pattern: str) -> Path:
    found = sorted(DIST.glob(pattern))
    assert len(found) == 1, f"{DIST} has {len(found)} files {pattern}, not one: make rpm"
    return found[0]
