"""The lab's keeper: holds a pid, mount, net and cgroup namespace open for exactly as long as its owner lives.

    owner (pytest, demo) --stdin pipe--> keeper --fork--> init: PID 1 of the lab, everything else runs below it

The owner's end, however it comes, closes the pipe: the keeper kills init, the kernel ends every process of the lab with
it, and with them go its mounts and networks; the keeper then removes the cgroups, the only thing that would stay. If
the keeper itself is killed, init dies with it (parent death signal) and the next lab sweeps the cgroups.
The keeper prints two lines once the lab is there: init's process id, and the lab's cgroup folder.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1
PREFIX = "crane-lab-"

libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    if libc.unshare(flags):
        error = ctypes.get_errno()
        raise OSError(error, f"unshare: {os.strerror(error)}")


def cgroup_mount() -> Path:
    """Where cgroup v2 is mounted: /sys/fs/cgroup, or a folder below it on hosts that still have v1 as well."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if right.split()[0] == "cgroup2":
            return Path(left.split()[4])
    raise SystemExit("lab: no cgroup v2 hierarchy is mounted on this machine")


def remove_cgroups(top: Path) -> None:
    """Removes a tree of cgroups whose processes have ended or are about to."""
    deadline = time.monotonic() + 10
    while top.exists():
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError as error:
                if time.monotonic() > deadline:
                    print(f"lab: cgroup {folder} stays: {error}", file=sys.stderr)
                    return
        time.sleep(0.01)


def sweep(mount: Path) -> None:
    """Removes what the labs of killed keepers left. A living lab, in whatever pid namespace, has its folder locked."""
    for old in mount.glob(PREFIX + "*"):
        try:
            descriptor = lock(old)
        except OSError:
            continue
        remove_cgroups(old)
        os.close(descriptor)


def lock(folder: Path) -> int:
    """Locks a folder for as long as the descriptor lives. Raises BlockingIOError when another process has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


def make_cgroup(mount: Path) -> Path:
    """The lab's cgroup, locked until this process ends."""
    while True:
        folder = mount / f"{PREFIX}{secrets.token_hex(4)}"
        folder.mkdir()
        try:
            lock(folder)
        except (FileNotFoundError, BlockingIOError):
            continue  # a sweeper took it for an old one just now
        if folder.exists():
            return folder


def become_init(cgroup: Path) -> None:
    """The lab's PID 1: builds its world, says so on stdout, then sleeps until it is killed."""
    unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC)
    for command in (
        ("mount", "--make-rprivate", "/"),
        ("mount", "-t", "proc", "-o", "nosuid,nodev,noexec", "lab", "/proc"),
        ("mount", "-t", "tmpfs", "-o", "mode=755,size=75%", "lab", "/run"),
        # only v2, rooted in the lab's own cgroup: systemd-nspawn finds the same on every kind of host; the tmpfs
        # between, for the kernel refuses to mount cgroup2 right upon cgroup2
        ("mount", "-t", "tmpfs", "lab", "/sys/fs/cgroup"),
        ("mount", "-t", "cgroup2", "lab", "/sys/fs/cgroup"),
        ("ip", "link", "set", "lo", "up"),
        ("hostname", "crane-lab"),
    ):
        subprocess.run(command, check=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps orphans
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the keeper decides
    os.write(1, f"{cgroup}\n".encode())
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    while True:
        signal.pause()


def keep() -> int:
    mount = cgroup_mount()
    sweep(mount)
    cgroup = make_cgroup(mount)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    init = 0
    try:
        unshare(CLONE_NEWPID)
        inside, outside = os.pipe()
        init = os.fork()
        if init == 0:
            try:
                libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                os.close(outside)
                if os.read(inside, 1):  # the keeper has put us into the cgroup; nothing: it died
                    become_init(cgroup)
            finally:
                os._exit(1)
        (cgroup / "cgroup.procs").write_text(str(init))
        os.write(1, f"{init}\n".encode())
        os.write(outside, b"1")
        watched = os.pidfd_open(init)
        select.select([0, watched], [], [])  # the owner's end, or init's
        return 0
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if init > 0:
            os.kill(init, signal.SIGKILL)
            os.waitpid(init, 0)  # returns when the whole pid namespace is empty
        remove_cgroups(cgroup)


if __name__ == "__main__":
    sys.exit(keep())
