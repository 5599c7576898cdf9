"""Listens to the holder of the storage lock, who writes its line of the lock file once in a heartbeat interval."""

from __future__ import annotations

import time
from typing import Optional

from crane_keepalived import lock
from crane_keepalived.settings import Settings

# after three missed beats a node counts as gone
SILENT_BEATS = 3


class Ear:
    """What a waiting node hears of the holder, from its first ``listen`` on."""

    def __init__(self, settings: Settings) -> None:
        self._path, self._interval = settings.ha_lock, settings.heartbeat_interval
        self._last: Optional[lock.Mark] = None
        self._heard = time.monotonic()
        self._beats = False

    def listen(self) -> Optional[lock.Mark]:
        """The node that holds the lock, or held it last. Raises OSError and LockError."""
        holder = lock.read_holder(self._path)
        if holder != self._last:
            self._beats = self._last is not None
            self._last, self._heard = holder, time.monotonic()
        return holder

    def hears_nothing(self) -> bool:
        """Has the holder missed its beats?"""
        return time.monotonic() - self._heard > SILENT_BEATS * self._interval

    def misses(self, lasting: float) -> bool:
        """Has a holder fallen silent whom we heard, and who had held the lock for ``lasting`` seconds?

        Not while we cannot listen.
        """
        try:
            holder = self.listen()
        except (OSError, lock.LockError):
            return False
        lasted = holder is not None and holder.beat * self._interval >= lasting
        return lasted and self._beats and self.hears_nothing()
