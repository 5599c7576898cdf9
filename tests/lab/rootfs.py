"""Builds the nodes' root file system once, and finds it again: build/lab/rootfs-<hash of the recipe>.

The recipe is this file, what is copied in (standin/, tests/data/config.yaml, stubs.spec) and nothing else; a changed
recipe is a new folder. A build that is interrupted leaves only a .part folder that nobody uses.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parent / "data" / "config.yaml"
CACHE = HERE.parents[1] / "build" / "lab"
SUITE = "bookworm"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "procps", "util-linux", "iproute2", "iputils-ping"),
    *("keepalived", "dnf", "rpm", "python3", "python3-yaml", "python3-jinja2"),
)
# what only costs time in a node; keepalived is for its administrator to enable
DISABLED_UNITS = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("e2scrub_reap.service", "systemd-pstore.service", "getty@tty1.service", "remote-fs.target", "keepalived.service"),
)
MASKED_UNITS = (
    *("console-getty.service", "systemd-logind.service", "dnf-makecache.timer", "systemd-tmpfiles-clean.timer"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"),
)
CRANE = 987  # user and group id of crane in the nodes


def say(message: str) -> None:
    print(f"lab: {message}", file=sys.stderr, flush=True)


def recipe_hash() -> str:
    """Twelve hex digits that change with anything the image is made of."""
    digest = hashlib.sha256()
    folders = (HERE / "standin", HERE / "image")
    parts = sorted(part for folder in folders for part in folder.rglob("*") if part.is_file())
    for part in (Path(__file__), CONFIG, HERE / "stubs.spec", *parts):
        digest.update(part.name.encode() + b"\0" + part.read_bytes())
    return digest.hexdigest()[:12]


def rootfs() -> Path:
    """The image's folder, built now if it is not there yet (about half a minute). Raises CalledProcessError."""
    image = CACHE / f"rootfs-{recipe_hash()}"
    if image.is_dir():
        return image
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "rootfs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two labs started at once build one image
        if not image.is_dir():
            part = CACHE / f"rootfs-{recipe_hash()}.part"
            remove(part)
            say(f"building the nodes' root file system in {image}")
            build(part)
            for old in CACHE.glob("rootfs-*"):
                if old != part and not in_use(old):
                    remove(old)
            part.rename(image)
    return image


def in_use(image: Path) -> bool:
    """Whether a running lab mounts this image (its mounts are in a namespace of its own, so every process is asked)."""
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            if str(image) in mounts.read_text():
                return True
        except OSError:
            continue
    return False


def remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def build(target: Path) -> None:
    """Debian with the packages above, made into a node. `target` is a folder that does not exist yet."""
    scratch = CACHE / "scratch"  # ours alone, by the lock
    remove(scratch)
    scratch.mkdir()
    bootstrap(target, scratch, PACKAGES)
    make_node(target, build_stubs(scratch, "crane-lab-distribution"))
    remove(scratch)


def bootstrap(target: Path, scratch: Path, packages: tuple[str, ...]) -> None:
    """Debian with these packages in a new folder, nothing of it ever started; `scratch` is for us to write in."""
    policy = scratch / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")  # nothing starts inside the image while it is built
    policy.chmod(0o755)
    settings = scratch / "apt.conf"
    settings.write_text(apt_settings())
    without = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
    run(
        # ends with us, and its mounts with it
        *("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("mmdebstrap", "--variant=minbase", "--mode=root", "--format=directory", "--quiet"),
        *(f"--dpkgopt=path-exclude={path}" for path in without),
        f"--aptopt={settings}",
        f'--essential-hook=install -D -m 755 {shlex.quote(str(policy))} "$1/usr/sbin/policy-rc.d"',
        '--customize-hook=rm "$1/usr/sbin/policy-rc.d"',
        f"--include={','.join(packages)}",
        *(SUITE, str(target), *apt_sources()),
    )


def apt_settings() -> str:
    """How this host's apt reaches its sources, proxies and the like; no translations."""
    dump = subprocess.run(["apt-config", "dump", "Acquire"], stdout=subprocess.PIPE, text=True, check=True).stdout
    kept = ("Acquire::http", "Acquire::Check-", "Acquire::Force", "Acquire::Retries", "Acquire::Queue")
    return "".join(line for line in dump.splitlines(True) if line.startswith(kept)) + 'Acquire::Languages "none";\n'


def apt_sources() -> list[str]:
    """The machine's own apt sources for the suite, so that a mirror or proxy chosen there is used here too."""
    folder = Path("/etc/apt")
    parts = sorted(folder.glob("sources.list.d/*.sources")) + sorted(folder.glob("sources.list.d/*.list"))
    return [str(file) for file in (folder / "sources.list", *parts) if file.is_file() and SUITE in file.read_text()]


def build_stubs(scratch: Path, *names: str) -> list[Path]:
    """The RPMs of these names, which stand for the distribution's own packages."""
    run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {scratch}/rpmbuild", str(HERE / "stubs.spec"))
    return [next((scratch / "rpmbuild" / "RPMS").rglob(f"{name}-[0-9]*.rpm")) for name in names]


def make_node(image: Path, stubs: list[Path]) -> None:
    """User crane, the stand-in with its unit, the sample configuration; units a node does not need are off."""
    shutil.copytree(HERE / "image", image, dirs_exist_ok=True)
    (image / "srv/crane-repo").mkdir()
    for stub in stubs:
        shutil.copy(stub, image / "stub.rpm")
        chroot(image, "rpm", "-i", "/stub.rpm")
        (image / "stub.rpm").unlink()

    chroot(image, "groupadd", "--system", "--gid", str(CRANE), "crane")
    chroot(
        image,
        "useradd",
        "--system",
        "--uid",
        str(CRANE),
        "--gid",
        "crane",
        "--home-dir",
        "/var/crane",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        "crane",
    )
    install(HERE / "standin/cranectld", image / "usr/bin/cranectld", 0o755)
    install(HERE / "standin/cranectld.service", image / "usr/lib/systemd/system/cranectld.service", 0o644)
    install(CONFIG, image / "etc/crane/config.yaml", 0o644)
    (image / "var/crane").mkdir()
    chroot(image, "chown", "-R", "crane:crane", "/etc/crane", "/var/crane")

    run("systemctl", f"--root={image}", "--quiet", "disable", *DISABLED_UNITS)
    run("systemctl", f"--root={image}", "--quiet", "mask", *MASKED_UNITS)
    run("systemctl", f"--root={image}", "--quiet", "set-default", "multi-user.target")
    (image / "var/log/journal").mkdir(exist_ok=True)
    for stamp in ("etc/.updated", "var/.updated"):  # newer than /usr: no ldconfig, no hwdb, no sysusers at boot
        (image / stamp).touch()


def install(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def chroot(image: Path, *argv: str) -> None:
    run("chroot", str(image), *argv)


def run(*argv: str) -> bytes:
    """Runs a program and returns what it printed, which is shown when it fails. Raises CalledProcessError."""
    clean = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    clean |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
    result = subprocess.run(argv, env=clean, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if result.returncode:
        told = (result.stdout + result.stderr).decode(errors="replace")
        say(f"{argv[0]} failed:\n{told}")
        raise subprocess.CalledProcessError(result.returncode, argv, told)
    return result.stdout


if __name__ == "__main__":
    print(rootfs())
