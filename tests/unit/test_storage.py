"""Which file systems other nodes see, and which locks."""

from __future__ import annotations

import pytest

from crane_keepalived import storage
from crane_keepalived.errors import Findings

MOUNTINFO = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /nfs rw,relatime shared:2 - nfs4 server:/export rw,vers=4.2,hard,proto=tcp
31 30 0:41 / /nfs/with\040space rw - tmpfs none rw
32 22 0:42 / /over rw - ext4 /dev/sdb1 rw
33 22 0:43 / /over rw - glusterfs server:/v rw
34 22 0:44 / /nfsroot rw - xfs /dev/sdc1 rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/crane", "ext4"),
        ("/nfs", "nfs4"),
        ("/nfs/crane", "nfs4"),
        ("/nfs/with space/x", "tmpfs"),
        ("/nfsroot/x", "xfs"),
        ("/nfsother", "ext4"),
        ("/over/x", "glusterfs"),
    ],
)
def test_the_mount_of_a_path_is_the_longest_and_the_last(path: str, kind: str) -> None:
    found = storage.mount_of(path, storage.parse_mounts(MOUNTINFO))
    assert found is not None
    assert found.kind == kind


def judged(kind: str, options: str = "rw") -> tuple[list[str], list[str]]:
    findings = Findings()
    storage.check_mount(storage.Mount("/nfs", kind, "source", frozenset(options.split(","))), "place", findings)
    return [problem.what for problem in findings.errors], [problem.what for problem in findings.warnings]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("nfs4", "rw,vers=4.2,hard,local_lock=none"),
        ("nfs", "rw,vers=4.1"),
        ("ceph", "rw"),
        ("fuse.ceph-fuse", "rw"),
        ("fuse.glusterfs", "rw"),
        ("gpfs", "rw"),
        ("lustre", "rw,flock"),
        ("gfs2", "rw"),
        ("cifs", "rw"),
        ("virtiofs", "rw"),
    ],
)
def test_shared(kind: str, options: str) -> None:
    assert judged(kind, options) == ([], [])


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuse.bindfs", "fuse.gvfsd-fuse"])
def test_what_no_other_node_sees_is_a_warning(kind: str) -> None:
    errors, warnings = judged(kind)
    assert errors == []
    assert warnings == [
        f"/nfs is {kind} on source, which no other node can see: after a failover the jobs and their history would be "
        "gone, and both nodes could run cranectld"
    ]


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("nfs", "rw,nolock,vers=4.2", "/nfs is mounted with nolock: the other node would not see our lock"),
        ("nfs4", "rw,local_lock=all", "/nfs is mounted with local_lock=all: the other node would not see our lock"),
        ("lustre", "rw,localflock", "/nfs is mounted with localflock: the other node would not see our lock"),
        ("lustre", "rw", "/nfs is mounted without flock: the other node would not see our lock"),
    ],
)
def test_locks_that_no_other_node_sees_are_refused(kind: str, options: str, said: str) -> None:
    assert judged(kind, options) == ([said], [])


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("nfs", "rw,vers=3", "/nfs is NFS 3, which keeps a dead node's lock until that node is back"),
        ("nfs4", "rw,soft", "/nfs is mounted soft: a stall of the server loses data"),
        ("beegfs", "rw", "/nfs is BeeGFS: unless told otherwise the other node would not see our lock"),
    ],
)
def test_doubtful_storage_is_a_warning(kind: str, options: str, said: str) -> None:
    assert judged(kind, options) == ([], [said])
