"""Links our module into a copy of a policy, in a scratch folder, with the programs that do it on a node.

SELINUX_POLICY is a root folder, or the copy of one, with the policy of a distribution: etc/selinux/NAME,
var/lib/selinux/NAME and usr/share/selinux/devel. Without the last, the policy must have our module, and is tested as it
is. The default is this machine's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from selinux.policy import Policy

TREE = Path(__file__).parents[2]
STANDIN = Path(__file__).parent / "standin"
SOURCE = TREE / "selinux"
OURS = "crane_keepalived"
# Debian's name for its policy, and the Red Hat family's
NAMES = ("default", "targeted")


def run(*command: object) -> str:
    """What the program says, on both channels. Raises RuntimeError with it."""
    argv = [str(part) for part in command]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}:\n{done.stdout}")
    return done.stdout


@dataclass(frozen=True)
class Store:
    """A policy and its modules below root."""

    root: Path
    name: str

    @property
    def etc(self) -> Path:
        return self.root / "etc/selinux" / self.name

    @property
    def active(self) -> Path:
        return self.root / "var/lib/selinux" / self.name / "active"

    @property
    def devel(self) -> Path:
        """The headers that modules are compiled with."""
        return self.root / "usr/share/selinux/devel"

    @property
    def file_contexts(self) -> Path:
        return self.etc / "contexts/files/file_contexts"

    def semodule(self, *arguments: object) -> str:
        """Changes the store and links the policy anew, and loads nothing. Raises RuntimeError."""
        return run("semodule", "-p", self.root, "-s", self.name, "-n", *arguments)

    def modules(self) -> dict[str, int]:
        """The modules with the highest of their priorities."""
        found = sorted((self.active / "modules").glob("[0-9]*/*"))
        return {module.name: int(module.parent.name) for module in found}

    def policy(self) -> Policy:
        """What the kernel would be given, decompiled."""
        binary = max((self.etc / "policy").glob("policy.*"))
        cil = self.root / "policy.cil"
        run("checkpolicy", "-M", "-b", "-C", "-o", cil, binary)
        return Policy(cil.read_text())

    def copy(self, root: Path, check: bool = False) -> Store:
        """A copy below root, in which `check` has every change compared with the neverallow rules."""
        for part in (self.etc, self.active.parent):
            shutil.copytree(part, root / part.relative_to(self.root), symlinks=True)
        settings = (self.root / "etc/selinux/semanage.conf").read_text()
        assert "\nexpand-check=0\n" in settings or "\nexpand-check=1\n" in settings
        other, wanted = f"expand-check={int(not check)}", f"expand-check={int(check)}"
        (root / "etc/selinux/semanage.conf").write_text(settings.replace(other, wanted))
        return Store(root, self.name)


def find() -> Store:
    """The policy to be tested."""
    root = Path(os.environ.get("SELINUX_POLICY") or "/").resolve()
    for name in NAMES:
        store = Store(root, name)
        if (root / "var/lib/selinux" / name).is_dir() and store.etc.is_dir():
            return store
    raise RuntimeError(f"no SELinux policy below {root}: Debian's is in the package selinux-policy-default")


def compile_module(devel: Path, source: Path, work: Path, *beside: Path) -> tuple[Path, str]:
    """The compiled module of the one .te file in source, and what the compiler said. Raises RuntimeError.

    Interfaces of other modules must lie beside it, with those modules.
    """
    shutil.copytree(source, work)
    name = next(work.glob("*.te")).stem
    for other in beside:
        shutil.copy(other, work)
    make = ("make", "--no-print-directory", "-C", work, "-f", devel / "Makefile")
    said = run(*make, f"HEADERDIR={devel / 'include'}", "NAME=x", f"{name}.pp")
    return work / f"{name}.pp", said


@dataclass(frozen=True)
class Linked:
    """One policy, with our module and without it."""

    before: Policy
    after: Policy
    store: Store
    # the headers that compiled our module, and what the compiler said; None: it came with the policy
    devel: Path
    compiler: Optional[str]


def link(scratch: Path) -> Linked:
    """Raises RuntimeError."""
    original = find()
    compiles = (original.devel / "Makefile").exists()
    if not compiles and OURS not in original.modules():
        raise RuntimeError(f"below {original.root} is neither our module nor what compiles it: {original.devel}")
    store = original.copy(scratch / "store")
    # whatever its priority: a node may have it already
    while OURS in store.modules():
        store.semodule("-X", store.modules()[OURS], "-r", OURS)
    if "keepalived" not in store.modules():
        standin, _ = compile_module(original.devel, STANDIN, scratch / "keepalived")
        store.semodule("-i", standin)
    else:
        store.semodule("-B")
    before = store.policy()
    if compiles:
        module, said = compile_module(original.devel, SOURCE, scratch / OURS)
        store.semodule("-X", "200", "-i", module)
        return Linked(before, store.policy(), store, original.devel, said)
    store = original.copy(scratch / "as it is")
    store.semodule("-B")
    return Linked(before, store.policy(), store, original.devel, None)
