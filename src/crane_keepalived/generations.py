"""What a node's files and units were before each set-up: generation 0 for ever, and the newest ten others."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

from .files import below, remove, sync_folder, write, write_link
from .systemd import UnitState

STATE_FOLDER = Path("/var/lib/crane-keepalived")
FOLDER = STATE_FOLDER / "generations"
KEPT = 10


@dataclass(frozen=True)
class Generation:
    """One saved state. ``files`` has an entry for each path: absent, a link's target, or mode, owner and copy."""

    root: Path
    folder: Path
    files: tuple[Mapping[str, Any], ...]
    units: Mapping[str, UnitState]

    @property
    def number(self) -> int:
        """0 is what was there before the first set-up."""
        return int(self.folder.name)

    def copy_of(self, path: Path) -> Optional[Path]:
        """Where the file's content is kept, as a path of the node; None if there was none."""
        for entry in self.files:
            if entry["path"] == str(path) and "copy" in entry:
                return FOLDER / self.folder.name / str(entry["copy"])
        return None

    def restore(self) -> None:
        """Put every file back as it was. Raises OSError."""
        for entry in self.files:
            path = below(self.root, Path(entry["path"]))
            if "copy" in entry:
                write(path, (self.folder / entry["copy"]).read_bytes(), entry["mode"], (entry["uid"], entry["gid"]))
            elif "link" in entry:
                write_link(path, entry["link"])
            else:
                remove(path)

    def discard(self) -> None:
        """Forget it. Raises OSError."""
        shutil.rmtree(self.folder)


def load(root: Path) -> list[Generation]:
    """All generations, oldest first. Raises OSError, ValueError and KeyError on a damaged one."""
    folder = below(root, FOLDER)
    found = sorted(path for path in folder.glob("[0-9]*") if path.name.isdigit()) if folder.is_dir() else []
    return [_read(root, path) for path in found]


def first(root: Path) -> Optional[Generation]:
    """Generation 0: there is one exactly on a node that is set up."""
    return next((generation for generation in load(root) if generation.number == 0), None)


def save(root: Path, paths: Iterable[Path], units: Mapping[str, UnitState]) -> Generation:
    """Keep what the paths hold now, and the units' state, as the next generation. Raises OSError."""
    known = load(root)
    number = known[-1].number + 1 if known else 0
    folder = below(root, FOLDER)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    below(root, STATE_FOLDER).chmod(0o700)
    draft = folder / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    manifest = {
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "files": [_keep(below(root, path), path, draft) for path in paths],
        "units": {unit: asdict(state) for unit, state in units.items()},
    }
    write(draft / "manifest.json", json.dumps(manifest, indent=1).encode(), 0o600)
    final = folder / f"{number:04d}"
    draft.rename(final)
    sync_folder(folder)
    for old in known[1 : max(1, len(known) - KEPT + 1)]:
        old.discard()
    return _read(root, final)


def _keep(path: Path, name: Path, draft: Path) -> dict[str, Any]:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return {"path": str(name), "absent": True}
    if stat.S_ISLNK(found.st_mode):
        return {"path": str(name), "link": str(path.readlink())}
    copy = str(name)[1:].replace("/", "_")
    write(draft / copy, path.read_bytes(), 0o600)
    return {
        "path": str(name),
        "copy": copy,
        "mode": stat.S_IMODE(found.st_mode),
        "uid": found.st_uid,
        "gid": found.st_gid,
    }


def _read(root: Path, folder: Path) -> Generation:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    units = {unit: UnitState(**state) for unit, state in manifest["units"].items()}
    return Generation(root, folder, tuple(manifest["files"]), units)
