"""Which file systems other nodes see, and which locks."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from crane_keepalived import lock, storage
from crane_keepalived.errors import Findings
from crane_keepalived.run import within

ID = "1a2b3c4d"

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


def test_a_kernel_that_takes_lost_locks_again_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parameter = tmp_path / "recover_lost_locks"
    monkeypatch.setattr(storage, "RECOVERS_LOST_LOCKS", parameter)
    assert judged("nfs4") == ([], [])
    parameter.write_text("N\n")
    assert judged("nfs4") == ([], [])
    parameter.write_text("Y\n")
    assert judged("ceph") == ([], [])
    errors, _ = judged("nfs4")
    assert "nfs.recover_lost_locks is on" in errors[0]


class OtherNode:
    """Another node's daemon: it beats, with or without a lock that this node sees."""

    def __init__(self, path: Path, locks: bool) -> None:
        self._held = lock.StorageLock(path, ID)
        assert not locks or self._held.acquire_now()
        self._done = threading.Event()
        self._held.hold("node2")
        self._thread = threading.Thread(target=self._beat)
        self._thread.start()

    def _beat(self) -> None:
        while not self._done.wait(0.3):
            self._held.hold("node2")

    def stop(self) -> None:
        self._done.set()
        self._thread.join()
        self._held.close()


def seen(path: Path, cluster_id: str = ID) -> list[str]:
    findings = Findings()
    storage.check_locks_are_seen(path, cluster_id, 1, "nobody", findings)
    return [str(problem.what) for problem in findings.errors]


@pytest.fixture
def ha_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(storage, "as_user", lambda _user, function, limit: within(limit, function))
    lock.create(tmp_path / "ha.lock", ID)
    return tmp_path / "ha.lock"


@pytest.mark.parametrize(("locks", "errors"), [(True, 0), (False, 1)])
def test_another_nodes_lock_must_be_seen_here(ha_lock: Path, locks: bool, errors: int) -> None:
    other = OtherNode(ha_lock, locks)
    try:
        found = seen(ha_lock)
    finally:
        other.stop()
    assert len(found) == errors
    assert all("node2 holds this lock and writes to it, and it could be locked here" in what for what in found)


def test_a_node_that_is_gone_is_nobody_to_be_seen(ha_lock: Path) -> None:
    OtherNode(ha_lock, locks=False).stop()
    assert seen(ha_lock) == []


def test_a_lock_that_cannot_be_asked_is_an_error(ha_lock: Path) -> None:
    OtherNode(ha_lock, locks=False).stop()
    assert "nobody cannot lock it" in seen(ha_lock, "ffffffff")[0]


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
        ("nfs4", "rw,local_lock=flock", "/nfs is mounted with local_lock=flock: the other node would not see our lock"),
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
