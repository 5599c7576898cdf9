"""The guide's set-up, as CraneSched's manual writes it, on an enforcing machine: its denials are what we are for.

Interface, address and lock file are this machine's; the rest is as it stands there.
"""

from __future__ import annotations

from lab.network import VIP

from . import node as it
from .conftest import Told
from .denials import denials
from .machine import Machine

CONF = """\
global_defs {
   script_user root
   enable_script_security
}
vrrp_instance VI_1 {
    state BACKUP
    interface ens33
    virtual_router_id 51
    priority 90
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass 1111
    }
    virtual_ipaddress {
        %s
    }
    notify_master "/etc/keepalived/on_master.sh"
    notify_backup "/etc/keepalived/on_backup.sh"
}
"""
ON_MASTER = """\
#!/bin/bash

LOCK_FILE="%s"

echo "$date on_master execute" >> /tmp/on_master.log
exec 9>"$LOCK_FILE"
if flock -x -w 2 9; then
  flock -u 9
  systemctl restart cranectld >> /tmp/on_master.log 2>&1
else
  exec 9>&-
fi
"""
ON_BACKUP = """\
#!/bin/bash

echo "on_backup execute" >> /tmp/on_backup.log
systemctl stop cranectld >> /tmp/on_backup.log 2>&1
"""


def start_keepalived(machine: Machine, lock_file: str) -> None:
    machine.write("/etc/keepalived/keepalived.conf", CONF % VIP.partition("/")[0])
    machine.write("/etc/keepalived/on_master.sh", ON_MASTER % lock_file, 0o755)
    machine.write("/etc/keepalived/on_backup.sh", ON_BACKUP, 0o755)
    machine.run("systemctl start keepalived")
    machine.wait_until("keepalived has the address", lambda: it.has_address(machine), it.SETTLED)


def test_the_guides_scripts_may_not_run_systemctl(bare: Machine, told: Told) -> None:
    told.expect_from("keepalived_t")
    start_keepalived(bare, "/tmp/cranectld.lock")

    def log(name: str) -> str:
        return bare.run(f"cat /tmp/{name}.log", check=False).stdout

    bare.wait_until("on_master.sh has tried", lambda: "systemctl" in log("on_master"), it.SETTLED)
    for name in ("on_backup", "on_master"):
        line = next(line for line in log(name).splitlines() if "systemctl" in line)
        # with or without leave to see the file, bash's words differ
        assert line.endswith(("systemctl: Permission denied", "systemctl: command not found")), line
    refused = {denial.key for denial in denials(bare)}
    assert ("keepalived_t", "systemd_systemctl_exec_t", "file") in refused
    assert it.main_pid(bare) == 0


def test_the_guides_script_may_not_lock_on_the_shared_storage(bare: Machine, told: Told) -> None:
    told.expect_from("keepalived_t")
    start_keepalived(bare, "/var/crane/cranectld.lock")
    wanted = ("keepalived_t", "nfs_t")
    bare.wait_until(
        "on_master.sh is refused the storage",
        lambda: wanted in {denial.key[:2] for denial in denials(bare)},
        it.SETTLED,
    )
    assert it.main_pid(bare) == 0
