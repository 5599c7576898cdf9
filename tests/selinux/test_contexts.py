"""Labels of files, as restorecon, rpm and systemd find them."""

from __future__ import annotations

import pytest

from selinux.store import Linked, run

SCRIPT, HOOK, CONF = "crane_keepalived_exec_t", "crane_keepalived_hook_exec_t", "crane_keepalived_conf_t"
UNIT, GATE, NOTES = "cranectld_unit_file_t", "crane_keepalived_gate_t", "crane_keepalived_var_run_t"
ETC, LIBEXEC = "/etc/crane-keepalived", "/usr/libexec/crane-keepalived"
# the distribution's own for units; the second is Debian's, the third the Red Hat family's for keepalived
UNITS = ("systemd_unit_file_t", "systemd_unit_t", "keepalived_unit_file_t")

FILES = {
    f"{LIBEXEC}/check_and_failover.sh": (SCRIPT,),
    f"{LIBEXEC}/on_master.sh": (SCRIPT,),
    f"{LIBEXEC}/on_backup.sh": (SCRIPT,),
    f"{LIBEXEC}/on_fault.sh": (SCRIPT,),
    # run by systemd, for cranectld: in the domain of every service without one of its own
    f"{LIBEXEC}/queue-for-lock": ("bin_t",),
    f"{LIBEXEC}/close-gate": ("bin_t",),
    f"{LIBEXEC}/fence": ("crane_keepalived_fence_exec_t",),
    # read, not executed
    f"{LIBEXEC}/node-state.sh": ("bin_t",),
    # a script of the administrator's is none of ours
    f"{LIBEXEC}/on_other.sh": ("bin_t",),
    "/usr/sbin/crane-ha": ("bin_t",),
    "/usr/sbin/crane-ha-setup": ("bin_t",),
    f"{ETC}/settings": (CONF,),
    f"{ETC}/node.yaml": (CONF,),
    f"{ETC}/other.d/10-hook": (CONF,),
    f"{ETC}/check.d/10-check": (HOOK,),
    f"{ETC}/master.d/10-hook": (HOOK,),
    f"{ETC}/backup.d/10-hook": (HOOK,),
    f"{ETC}/fault.d/lib/common": (HOOK,),
    "/usr/lib/systemd/system/cranectld.service": (UNIT,),
    "/lib/systemd/system/cranectld.service": (UNIT,),
    # by the distribution's equivalence of the two folders
    "/etc/systemd/system/cranectld.service": (UNIT,),
    "/etc/systemd/system/cranectld.service.d/50-crane-keepalived.conf": UNITS,
    "/etc/systemd/system/keepalived.service.d/50-crane-keepalived.conf": UNITS,
    "/usr/lib/systemd/system/crane-keepalived-gate.service": UNITS,
    "/usr/lib/systemd/system/crane-keepalived-fence.service": UNITS,
    "/usr/lib/systemd/system/craned.service": UNITS,
    "/run/crane-keepalived.gate": (GATE,),
    "/run/crane-keepalived.failures": (GATE,),
    "/var/run/crane-keepalived.gate": (GATE,),
    "/run/crane-keepalived/passed": (NOTES,),
    "/var/run/crane-keepalived/refused": (NOTES,),
}
FOLDERS = {
    ETC: (CONF,),
    f"{ETC}/check.d": (HOOK,),
    f"{ETC}/master.d": (HOOK,),
    f"{ETC}/backup.d": (HOOK,),
    f"{ETC}/fault.d": (HOOK,),
    LIBEXEC: ("bin_t",),
    "/run/crane-keepalived": (NOTES,),
    "/var/run/crane-keepalived": (NOTES,),
}


@pytest.mark.parametrize(("kind", "wanted"), [("file", FILES), ("dir", FOLDERS)], ids=["files", "folders"])
def test_labels(linked: Linked, kind: str, wanted: dict[str, tuple[str, ...]]) -> None:
    said = run("matchpathcon", "-f", linked.store.file_contexts, "-m", kind, *wanted)
    labels = dict(line.split("\t") for line in said.splitlines())
    assert labels.keys() == wanted.keys()
    types = {path: label.split(":")[2] for path, label in labels.items()}
    assert {path: name for path, name in types.items() if name not in wanted[path]} == {}
    # and nobody's but the system's
    assert {label.split(":")[0] for label in labels.values()} == {"system_u"}
