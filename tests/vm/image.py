"""Builds the machine's disk once and finds it again: build/vm/tree-<recipe> is Debian with all that the tests need,
build/vm/disk-<recipe>-<policy> the same with an SELinux policy, every file labelled, as an ext4 image.

The policy is Debian's own with the stand-in for EL's keepalived module, or what another system has in its /etc/selinux,
/var/lib/selinux: `make vm POLICY=DIR`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from pathlib import Path
from typing import Optional

from lab import rootfs
from lab.rootfs import chroot, remove, run, say

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / "build" / "vm"
STANDIN = HERE.parent / "selinux" / "standin"
DEVEL = Path("/usr/share/selinux/devel/Makefile")
PACKAGES = (
    *rootfs.PACKAGES,
    *("linux-image-cloud-amd64", "kmod", "udev", "busybox-static", "openssh-server"),
    *("selinux-policy-default", "selinux-utils", "policycoreutils", "policycoreutils-python-utils", "auditd"),
    *("nfs-kernel-server", "nfs-common", "nftables", "systemd-container"),
)
# the emulated machine is slow: what no test needs does not start
DISABLED_UNITS = ("e2scrub_all.timer", "rpc-statd-notify.service", "nfs-blkmap.service")
ENABLED_UNITS = (
    "remote-fs.target",
    "lan.service",
    "var-crane.mount",
    "nfs-server.service",
    "ssh.service",
    "auditd.service",
)
# the disk is on virtio; ext4 is built into Debian's cloud kernel
BOOT_MODULES = ("virtio_pci", "virtio_blk")
DISK_SIZE = "2G"


def recipe() -> str:
    """Twelve hex digits that change with anything the tree is made of."""
    digest = hashlib.sha256(rootfs.recipe_hash().encode())
    for part in sorted((Path(__file__), *(HERE / "image").rglob("*"))):
        if part.is_file():
            digest.update(str(part.name).encode() + b"\0" + part.read_bytes())
    return digest.hexdigest()[:12]


def policy_hash(policy: Optional[Path]) -> str:
    """Eight hex digits for the policy that the disk is labelled with; a change of the tests' own modules is another."""
    digest = hashlib.sha256(b"debian")
    parts = sorted(STANDIN.iterdir())
    if policy is not None:
        digest = hashlib.sha256(str(policy).encode())
        parts = sorted((policy / "etc/selinux/targeted").glob("policy/policy.*"))
    for part in parts:
        digest.update(part.read_bytes())
    return digest.hexdigest()[:8]


def build(policy: Optional[Path] = None) -> tuple[Path, Path]:
    """The tree (for its kernel) and the disk, built now if they are not there yet. Raises CalledProcessError."""
    tree = CACHE / f"tree-{recipe()}"
    disk = CACHE / f"disk-{recipe()}-{policy_hash(policy)}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.is_dir():
            say(f"building the virtual machine's Debian in {tree}")
            for old in (*CACHE.glob("tree-*"), *CACHE.glob("disk-*")):
                if not in_use(old):
                    remove(old) if old.is_dir() else old.unlink()
            _build_tree(tree)
        if not disk.exists():
            say(f"labelling it for SELinux, with the policy of {policy or 'Debian'}")
            _build_disk(tree, policy, disk)
    return tree, disk


def use(image: Path) -> int:
    """Keeps a tree or a disk from being removed for a newer one, until the descriptor is closed."""
    descriptor = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def in_use(image: Path) -> bool:
    """Does a machine, of another process perhaps, run from it?"""
    descriptor = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _build_tree(tree: Path) -> None:
    part, scratch = Path(f"{tree}.part"), CACHE / "scratch"
    for folder in (part, scratch):
        remove(folder)
    scratch.mkdir()
    rootfs.bootstrap(part, scratch, PACKAGES)
    names = ("crane-lab-distribution", "crane-lab-distribution-selinux")
    rootfs.make_node(part, rootfs.build_stubs(scratch, *names))
    shutil.copytree(HERE / "image", part, dirs_exist_ok=True)
    run("systemctl", f"--root={part}", "--quiet", "disable", *DISABLED_UNITS)
    run("systemctl", f"--root={part}", "--quiet", "enable", *ENABLED_UNITS)
    (part / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")  # else the first boot presets all units
    (part / "etc/hostname").write_text("node1\n")
    (part / "srv/crane").mkdir()
    chroot(part, "chown", "crane:crane", "/srv/crane")
    _make_key(part)
    _make_initramfs(part, scratch)
    remove(scratch)
    part.rename(tree)


def _make_key(tree: Path) -> None:
    """How the tests log in: as an administrator does, by ssh, so that their commands run in his domain."""
    (tree / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tree / "boot/key"))
    (tree / "boot/key.pub").rename(tree / "root/.ssh/authorized_keys")


def _make_initramfs(tree: Path, scratch: Path) -> None:
    """The modules that the disk needs, and a busybox that loads them: Debian's own is slow under emulation."""
    kernel = next((tree / "lib/modules").iterdir()).name
    work = scratch / "initramfs"
    for folder in ("bin", "dev", "proc", "root"):
        (work / folder).mkdir(parents=True)
    shutil.copy(tree / "bin/busybox", work / "bin/busybox")
    loads = []
    for name in BOOT_MODULES:
        argv = ["chroot", str(tree), "modprobe", "--set-version", kernel, "--show-depends", name]
        for line in run(*argv).decode().splitlines():
            module = line.split()[1]
            if module not in loads:
                loads.append(module)
    for module in loads:
        shutil.copy(tree / module.lstrip("/"), work / Path(module).name)
    init = work / "init"
    init.write_text(
        "#!/bin/busybox sh\n"
        + "".join(f"/bin/busybox insmod /{Path(module).name}\n" for module in loads)
        + "/bin/busybox mount -t devtmpfs dev /dev\n"
        + "until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done\n"
        + "/bin/busybox mount -t ext4 /dev/vda /root\n"
        + "/bin/busybox umount /dev\n"
        + "exec /bin/busybox switch_root /root /sbin/init\n"
    )
    init.chmod(0o755)
    pack = "find . | cpio --quiet --create --format=newc | gzip -9"
    with (tree / "boot/initramfs").open("wb") as target:
        target.write(run("sh", "-c", f"cd '{work}' && {pack}"))


def _build_disk(tree: Path, policy: Optional[Path], disk: Path) -> None:
    work, part = CACHE / "labelled", Path(f"{disk}.part")
    remove(work)
    run("cp", "--archive", "--reflink=auto", str(tree), str(work))
    kind = "default" if policy is None else "targeted"
    if policy is None:
        modules = CACHE / "standin"
        remove(modules)
        shutil.copytree(STANDIN, modules)
        run("make", "-C", str(modules), "-f", str(DEVEL), "NAME=default", "keepalived.pp")
        shutil.copy(modules / "keepalived.pp", work / "keepalived.pp")
        chroot(work, "semodule", "--noreload", "--install=/keepalived.pp")
        (work / "keepalived.pp").unlink()
    else:
        for folder in ("etc/selinux", "var/lib/selinux"):
            remove(work / folder)
            run("cp", "--archive", str(policy / folder), str(work / folder))
    config = work / "etc/selinux/config"
    config.write_text(f"SELINUX=enforcing\nSELINUXTYPE={kind}\n")
    contexts = work / f"etc/selinux/{kind}/contexts/files/file_contexts"
    run("setfiles", "-F", "-r", str(work), str(contexts), str(work))
    run("truncate", f"--size={DISK_SIZE}", str(part))
    run("mke2fs", "-q", "-t", "ext4", "-d", str(work), str(part))
    remove(work)
    os.rename(part, disk)
