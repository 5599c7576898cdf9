"""The shared storage as cranectld's user sees it: root may be nobody there (root_squash), and any look may hang."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from . import lock
from .crane import SECTION, SHARED, CraneConfig
from .errors import Findings, HaError, UnansweredError
from .run import as_user

# "Y": the kernel takes a lock again that the server has given away, and tells nobody (Linux, nfs4.recover_lost_locks)
RECOVERS_LOST_LOCKS = Path("/sys/module/nfs/parameters/recover_lost_locks")
# storage that does not answer within this many seconds is an error
LIMIT = 5.0
SHARED_KINDS = re.compile(
    r"nfs4?|cifs|smb3|ceph|lustre|gpfs|gfs2|ocfs2|beegfs\w*|9p|virtiofs|afs|orangefs|pvfs2|panfs|wekafs|glusterfs"
    r"|fuse\.(?!gvfsd|portal|overlay|fuse-overlayfs|bindfs|lxcfs).*"
)


@dataclass(frozen=True)
class Mount:
    """A mounted file system, as /proc/self/mountinfo describes it."""

    point: str
    kind: str
    source: str
    options: frozenset[str]


def look(crane: CraneConfig, user: str, findings: Findings) -> Optional[str]:
    """Check the storage as the user; return the lock file's cluster id, "" without one, None when it cannot be told."""
    place, base = f"{crane.path}: {SECTION}.{SHARED}", Path(crane.shared_base_dir)
    try:
        seen = as_user(user, lambda: _look(base, Path(crane.ha_lock), Path(crane.cranectld_lock), user), LIMIT)
    except UnansweredError:
        findings.error(place, f"{base} does not answer within {LIMIT:g} s", "mend the storage or its mount")
    except FileNotFoundError:
        findings.error(place, f"there is no folder {base} on this node", "mount the shared storage, or make the folder")
    except NotADirectoryError:
        findings.error(place, f"{base} is no folder", "name the folder that both nodes share")
    except OSError as error:
        findings.error(place, f"{user} cannot use {base}: {error.strerror}", f"give it to {user}")
    except HaError as error:
        findings.error(place, f"{user} cannot use {base}: {error}", f"give it to {user}")
    else:
        for what, cure in seen["troubles"]:
            findings.error(place, what, cure)
        mounts = parse_mounts(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace"))
        for mount in dict.fromkeys(mount_of(path, mounts) for path in seen["real"]):
            check_mount(mount, place, findings)
        if seen["copy"]:
            what = "is a copy, or has another inode number on this node: each takeover waits, as for a lost lock file"
            cure = "a copy is accepted at its first takeover; else mount it with the server's numbers (serverino)"
            findings.warn(crane.ha_lock, what, cure)
        return None if seen["troubles"] else str(seen["cluster_id"])
    return None


def create_lock(path: Path, cluster_id: str, user: str, again: bool) -> None:
    """Make the lock file as the user; ``again``: in place of one that was lost.

    Raises HaError, also when it turns out to be another cluster's.
    """
    try:
        found = as_user(user, lambda: lock.create(path, cluster_id, again), LIMIT)
    except UnansweredError:
        raise HaError(f"{path} does not answer within {LIMIT:g} s", "mend the storage or its mount") from None
    except OSError as error:
        raise HaError(f"{user} cannot make {path}: {error.strerror}") from None
    if found != cluster_id:
        raise HaError(
            f"{path} was made by the other node just now, with cluster id {found}", "run crane-ha-setup again"
        )


def parse_mounts(text: str) -> list[Mount]:
    """Read /proc/self/mountinfo, whose fields proc(5) explains."""
    mounts = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, rest = left.split(), right.split()
        if len(fields) >= 6 and len(rest) >= 2:
            point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code.group(1), 8)), fields[4])
            options = frozenset(",".join([fields[5], *rest[2:3]]).split(","))
            mounts.append(Mount(point, rest[0], rest[1], options))
    return mounts


def mount_of(path: str, mounts: Sequence[Mount]) -> Optional[Mount]:
    """The mount with the longest point above the path; of those mounted over each other, the last."""
    best: Optional[Mount] = None
    for mount in mounts:
        above = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if above and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def check_mount(mount: Optional[Mount], place: str, findings: Findings) -> None:
    """Warn of a file system that only this node sees; refuse one whose locks only this node sees."""
    if mount is None:
        return
    point, kind, options = mount.point, mount.kind, mount.options
    if not SHARED_KINDS.fullmatch(kind):
        what = f"{point} is {kind} on {mount.source}, which no other node can see"
        loss = "after a failover the jobs and their history would be gone, and both nodes could run cranectld"
        findings.warn(place, f"{what}: {loss}", "mount storage that both nodes share")
    blind = "the other node would not see our lock"
    local = sorted(options & {"nolock", "local_lock=all", "local_lock=flock", "localflock"})
    if local:
        findings.error(place, f"{point} is mounted with {', '.join(local)}: {blind}", f"mount it without {local[0]}")
    if kind == "lustre" and not options & {"flock", "localflock"}:
        findings.error(place, f"{point} is mounted without flock: {blind}", "mount it with -o flock")
    if kind.startswith("beegfs"):
        findings.warn(place, f"{point} is BeeGFS: unless told otherwise {blind}", "set tuneUseGlobalFileLocks = true")
    if kind == "nfs" and options & {"vers=2", "vers=3"}:
        what = f"{point} is NFS 3, which keeps a dead node's lock until that node is back"
        findings.warn(place, what, "mount it with vers=4.2")
    if kind == "nfs4" and "vers=4.0" in options:
        what = f"{point} is NFS 4.0, which is told of no lock that is free: a takeover may take 30 s"
        findings.warn(place, what, "mount it with vers=4.2")
    if kind.startswith("nfs") and _recovers_lost_locks():
        what = f"{point}: the kernel's nfs.recover_lost_locks is on: a daemon would not learn that its lock is lost"
        cure = f"echo N >{RECOVERS_LOST_LOCKS}, and take it out of /etc/modprobe.d and the kernel's command line"
        findings.error(place, what, cure)
    if kind.startswith("nfs") and "soft" in options:
        findings.warn(place, f"{point} is mounted soft: a stall of the server loses data", "mount it hard")


def check_locks_are_seen(ha_lock: Path, cluster_id: str, beat: int, user: str, findings: Findings) -> None:
    """Refuse storage on which the lock is free here while another node, by its beats, holds it.

    The sure test of what mount options only promise. ``beat``: seconds between two; as long, and one more, the lock is
    held if it is free. Where nobody holds it that delays no more than that.
    """
    limit = LIMIT + beat + 1
    try:
        other = as_user(user, lambda: _free_though_held(ha_lock, cluster_id, beat + 1), limit)
    except UnansweredError:
        findings.error(ha_lock, f"does not answer within {limit:g} s", "mend the storage or its mount")
    except (OSError, HaError) as error:
        findings.error(ha_lock, f"{user} cannot lock it: {error}", "mend the storage or its mount")
    else:
        if other:
            what = f"{other} holds this lock and writes to it, and it could be locked here all the same"
            findings.error(ha_lock, what, "use storage, or mount options, with locks that all nodes see")


def _free_though_held(path: Path, cluster_id: str, seconds: float) -> str:
    """The node that writes to the lock file while we have its lock; "" when there is none."""
    holder = lock.read_holder(path)
    if holder is None or holder.node == socket.gethostname():
        return ""
    ours = lock.StorageLock(path, cluster_id)
    try:
        deadline = time.monotonic() + seconds if ours.acquire_now() else 0.0
        holder = lock.read_holder(path)  # its last beat may have come between the two
        while time.monotonic() < deadline:
            time.sleep(0.1)
            now = lock.read_holder(path)
            if now is not None and now != holder:
                return now.node
    finally:
        ours.close()
    return ""


def _recovers_lost_locks() -> bool:
    try:
        return RECOVERS_LOST_LOCKS.read_text().strip() in ("Y", "1")
    except OSError:
        return False


def _look(base: Path, ha_lock: Path, cranectld_lock: Path, user: str) -> dict[str, Any]:
    """What the user finds; runs in his name. Folders that are not there yet are judged by the nearest that is."""
    next(base.iterdir(), None)
    troubles, cluster_id, copy = [], "", False
    wanted = folder = ha_lock.parent
    while not folder.exists():
        folder = folder.parent
    try:
        cluster_id, copy = lock.read_cluster_id(ha_lock), lock.is_a_copy(ha_lock)
    except lock.LockMissing:
        if not os.access(folder, os.W_OK | os.X_OK):
            cure = f"chown {user} {folder}" if folder == wanted else f"make {wanted} and give it to {user}"
            troubles.append((f"{user} cannot write into {folder}", cure))
    except lock.LockError as error:
        troubles.append((str(error), "move it away if nobody needs it"))
    for path in (ha_lock, cranectld_lock):
        # one made by root, say: cranectld could not lock it, and would not start
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            troubles.append((f"{user} cannot write {path}", f"chown {user} {path}"))
    real = [os.path.realpath(base), os.path.realpath(folder)]
    return {"real": real, "cluster_id": cluster_id, "copy": copy, "troubles": troubles}
