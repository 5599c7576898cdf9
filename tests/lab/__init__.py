"""A lab of two nodes on one host: systemd-nspawn with real systemd and keepalived, shared storage, a client beside."""

from __future__ import annotations

from .client import Client, Outage
from .lab import Lab
from .network import INTERFACE, VIP
from .node import Node
from .processes import CommandFailed
from .waiting import wait_until
from .watcher import Invariants

__all__ = ["INTERFACE", "VIP", "Client", "CommandFailed", "Invariants", "Lab", "Node", "Outage", "wait_until"]
