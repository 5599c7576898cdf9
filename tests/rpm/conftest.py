"""The headers that the tests here look at."""

from __future__ import annotations

from typing import Any

import pytest
from packages import read_header, the_package


@pytest.fixture(scope="session")
def main() -> Any:
    return read_header(the_package("crane-keepalived-[0-9]*.noarch.rpm"))


@pytest.fixture(scope="session")
def selinux() -> Any:
    return read_header(the_package("crane-keepalived-selinux-*.noarch.rpm"))


@pytest.fixture(scope="session")
def source() -> Any:
    return read_header(the_package("crane-keepalived-*.src.rpm"))
