#!/usr/bin/python3 -IB
"""Runs on the NFS server: whenever another client holds ha.lock, prints the time and the client's name ("" if none)."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

CLIENTS = Path("/proc/fs/nfsd/clients")
NAME = re.compile(r'^name: "Linux NFSv4\.[0-9] (\S+)"$', re.MULTILINE)
FILE = "/srv/crane/cranectld/ha.lock"


def holders() -> str:
    if not os.path.exists(FILE):
        return ""
    # by its number: a name is not known of a file that a client opened before the server restarted
    lock = re.compile(rf'type: lock, superblock: "[0-9a-f]+:[0-9a-f]+:{os.stat(FILE).st_ino}"')
    found = []
    for client in CLIENTS.iterdir() if CLIENTS.exists() else ():
        try:
            if lock.search((client / "states").read_text()):
                name = NAME.search((client / "info").read_text())
                found.append(name.group(1) if name else client.name)
        except OSError:
            continue  # it just went away
    return ",".join(sorted(found))


def main() -> None:
    last = None
    while True:
        now = holders()
        if now != last:
            print(f"{time.monotonic():.2f} {now}", flush=True)
            last = now
        time.sleep(0.05)


if __name__ == "__main__":
    main()
