"""What is done in several labs is done side by side: whatever else the host does, it does to all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Found = TypeVar("Found")


def at_once(do: Callable[..., Found], *arguments: Iterable[Any]) -> list[Found]:
    """As map() does, a thread for each call. Interrupted, it does not wait for them: they end when their labs close."""
    pool = ThreadPoolExecutor()
    try:
        return list(pool.map(do, *arguments))
    finally:
        pool.shutdown(wait=False)
