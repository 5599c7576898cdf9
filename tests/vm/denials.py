"""What SELinux refused, as the audit log has it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from .machine import Machine

LOG = "/var/log/audit/audit.log"
RECORDS = "^type=(AVC|USER_AVC|SELINUX_ERR|USER_SELINUX_ERR) "
_DENIED = re.compile(r"denied +\{ ([^}]+) \}.*?scontext=(\S+) tcontext=(\S+) tclass=(\w+)")


class Denial(NamedTuple):
    """One refusal: the types of who asked and of what, its class, the permissions, and the record as it was logged."""

    source: str
    target: str
    tclass: str
    permissions: tuple[str, ...]
    record: str

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.source, self.target, self.tclass)

    def __str__(self) -> str:
        return self.record


# The tests' own: on Debian dnf has no domain of its own and hands the scriptlets a file in /tmp; and the machine is its
# own NFS server, whose daemons look around when it starts or its files change.
EXPECTED = {
    ("semanage_t", "user_tmp_t", "file"),
    ("setfiles_t", "user_tmp_t", "file"),
    ("nfsd_t", "kernel_t", "fd"),
    ("nfsd_t", "initctl_t", "fifo_file"),
    ("nfsd_t", "hugetlbfs_t", "dir"),
    ("nfsd_t", "tmpfs_t", "dir"),
}


def denials(machine: Machine) -> list[Denial]:
    """All since the machine's log began. Records that are no plain denial have only their text."""
    lines = machine.run(f"grep -E '{RECORDS}' {LOG}", check=False).stdout
    # not splitlines(): a record's own separator, \x1d, is a line's end to Python
    return [read(line) for line in lines.split("\n") if line]


def read(line: str) -> Denial:
    found = _DENIED.search(line)
    if not found:
        return Denial("", "", "", (), line)
    permissions, source, target, tclass = found.groups()
    return Denial(source.split(":")[2], target.split(":")[2], tclass, tuple(permissions.split()), line)


def unexpected(now: Iterable[Denial], before: Iterable[Denial]) -> list[Denial]:
    """Those that the machine did not have before the package came, and that are not of the tests' own making."""
    known = {denial.key for denial in before} | EXPECTED
    return [denial for denial in now if denial.key not in known]
