"""What no script, no hook and not the fence may do, nor keepalived itself with what is ours: the longer table.

A sentence without a subject is of all three. The exceptions are in given.py, with their reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

from selinux.grants import BOTH, DOMAINS, FENCE, HOOK, KEEPALIVED, SCRIPT

ALL = "*"
FILES = "file dir lnk_file chr_file blk_file sock_file fifo_file"
CHANGE = (
    "add_name append create execmod link mounton quotaon relabelfrom relabelto remove_name rename reparent rmdir "
    "setattr swapon unlink write"
)
# of a folder on the way, every domain may know that it is there
CONTENT = f"{CHANGE} execute execute_no_trans ioctl lock map open read watch"
IN_FOLDER = f"{CHANGE} ioctl lock read watch"
USE_NETWORK = "accept bind connect create listen name_bind name_connect node_bind recv_msg send_msg"
PROGRAMS = "-bin_t -shell_exec_t -systemd_systemctl_exec_t"
UNIT = "cranectld_unit_file_t"
OURS_IN_RUN_AND_ETC = "crane_keepalived_conf_t crane_keepalived_gate_t crane_keepalived_var_run_t"
OUR_FILES = (
    f"crane_keepalived_exec_t crane_keepalived_hook_exec_t crane_keepalived_fence_exec_t {OURS_IN_RUN_AND_ETC} {UNIT}"
)


@dataclass(frozen=True)
class Never:
    """One row: the sources may do none of this to any of the targets. "* -NAME": anything but this."""

    sentence: str
    sources: str
    targets: str
    classes: str
    permissions: str
    # for both settings of crane_keepalived_send_mail, or for one
    mail: tuple[bool, ...] = (False, True)


NEVER = [
    # ---- units ----
    Never("controls another unit", BOTH, f"* -{UNIT}", "service", ALL),
    Never("a script stops, reloads, enables or disables cranectld's", SCRIPT, UNIT, "service", "* -start -status"),
    Never("a hook reloads, enables or disables cranectld's", HOOK, UNIT, "service", "* -start -status -stop"),
    Never(
        "reboots, halts, reloads systemd, loads a kernel module: any order to the system", DOMAINS, ALL, "system", ALL
    ),
    Never("keepalived itself controls cranectld's unit", KEEPALIVED, UNIT, "service", ALL),
    # ---- other processes ----
    Never(
        "a script signals others than itself and hooks",
        SCRIPT,
        f"* -{BOTH.replace(' ', ' -')}",
        "process",
        "sigkill sigstop signal",
    ),
    Never("a hook signals others than hooks", HOOK, f"* -{HOOK}", "process", "sigkill sigstop signal"),
    Never("looks into another process", DOMAINS, ALL, "process", "ptrace"),
    Never(
        "a script reads of another process in /proc, but of cranectld and systemd",
        SCRIPT,
        f"domain -{SCRIPT} -init_t -initrc_t -unconfined_service_t",
        "file dir lnk_file",
        "open read write",
    ),
    Never(
        "a hook, but of systemd", HOOK, f"domain -{HOOK} -init_t -mta_exec_type", "file dir lnk_file", "open read write"
    ),
    Never(
        "a hook does anything to a process that is not a hook, but to say that it ended",
        HOOK,
        f"* -{HOOK}",
        "process",
        "* -sigchld -signull",
        (False,),
    ),
    Never("changes limits, priorities or capabilities", DOMAINS, ALL, "process", "setcap setrlimit setsched share"),
    Never("a script becomes anything but a hook", SCRIPT, f"* -{HOOK}", "process", "transition dyntransition"),
    Never("a hook becomes anything else", HOOK, ALL, "process", "transition dyntransition", (False,)),
    Never(
        "a hook becomes anything but the mail command",
        HOOK,
        "* -system_mail_t",
        "process",
        "transition dyntransition",
        (True,),
    ),
    Never(
        "chooses a domain, or labels",
        DOMAINS,
        ALL,
        "process",
        "setcurrent setexec setfscreate setkeycreate setsockcreate",
    ),
    Never("gains by no_new_privs or nosuid what the transition does not give", DOMAINS, ALL, "process2", ALL),
    Never("keeps the environment of who started it", DOMAINS, ALL, "process", "noatsecure rlimitinh siginh"),
    Never("the scripts' domain is entered by another file", SCRIPT, "* -crane_keepalived_exec_t", "file", "entrypoint"),
    Never(
        "the hooks' domain is entered by another file", HOOK, "* -crane_keepalived_hook_exec_t", "file", "entrypoint"
    ),
    # ---- rights over the system ----
    Never("has any capability", BOTH, ALL, "capability capability2 cap_userns cap2_userns", ALL),
    Never("makes a user namespace", DOMAINS, ALL, "user_namespace", ALL),
    Never("writes what it executes in memory", DOMAINS, ALL, "process", "execheap execmem execstack"),
    Never("loads a policy, switches enforcing or a boolean: any order to SELinux", DOMAINS, ALL, "security", ALL),
    Never("writes to selinuxfs", DOMAINS, "security_t", "file", CONTENT),
    Never(
        "changes the policy's files",
        DOMAINS,
        "selinux_config_t policy_config_t semanage_store_t file_context_t",
        FILES,
        CHANGE,
    ),
    Never(
        "uses bpf, perf, io_uring, the kernel's keys of services",
        DOMAINS,
        ALL,
        "bpf perf_event io_uring kernel_service memprotect",
        ALL,
    ),
    Never("writes to /proc or a sysctl", DOMAINS, "proc_type sysctl_type usermodehelper_t sysfs_t", FILES, CHANGE),
    Never("reads the kernel's log, core or symbols", DOMAINS, "proc_kmsg_t proc_kcore_t kmsg_device_t", FILES, CONTENT),
    Never("mounts", DOMAINS, ALL, "filesystem", "* -getattr"),
    Never(
        "reads or writes a disk or the memory",
        DOMAINS,
        "fixed_disk_device_t removable_device_t memory_device_t",
        FILES,
        ALL,
    ),
    Never(
        "writes to a device other than null, zero, its terminal and, to log, the console",
        DOMAINS,
        "device_node -null_device_t -zero_device_t -devtty_t -console_device_t",
        "chr_file blk_file",
        CHANGE,
    ),
    Never("makes a device", DOMAINS, ALL, "chr_file blk_file", "create link mounton relabelto rename setattr unlink"),
    Never("uses another's keys, or its own ring", DOMAINS, ALL, "key", "create read setattr view write"),
    Never("speaks on D-Bus", DOMAINS, ALL, "dbus", ALL),
    # ---- the network ----
    Never(
        "a script or the fence has a socket of the network", f"{SCRIPT} {FENCE}", ALL, "*_socket -unix_*", USE_NETWORK
    ),
    Never("a hook has one without the boolean", HOOK, ALL, "*_socket -unix_*", USE_NETWORK, (False,)),
    Never(
        "a hook has with it one that is not TCP or UDP",
        HOOK,
        ALL,
        "*_socket -unix_* -tcp_socket -udp_socket",
        USE_NETWORK,
        (True,),
    ),
    Never("a hook has a port of its own", HOOK, ALL, "*_socket", "name_bind node_bind"),
    Never(
        "a hook connects to a port other than mail's and the DNS's",
        HOOK,
        "* -smtp_port_t -dns_port_t",
        "*_socket",
        "name_connect",
    ),
    Never(
        "connects to a service other than systemd and the log",
        DOMAINS,
        "* -init_t -syslogd_t -kernel_t",
        "unix_*_socket",
        "connectto sendto",
    ),
    Never(
        "opens a socket other than systemd's and the log's",
        DOMAINS,
        "* -init_runtime_t -init_var_run_t -devlog_t -syslogd_var_run_t",
        "sock_file",
        CONTENT,
    ),
    # ---- files ----
    Never(
        "a script changes a file or folder other than its notes",
        SCRIPT,
        f"* -{SCRIPT} -crane_keepalived_var_run_t",
        "file dir lnk_file",
        CHANGE,
    ),
    Never(
        "a script removes, renames or relabels a note",
        SCRIPT,
        "crane_keepalived_var_run_t",
        FILES,
        "link relabelfrom relabelto remove_name rename rmdir setattr unlink",
    ),
    Never("a hook changes a file or folder", HOOK, f"* -{HOOK}", "file dir lnk_file", CHANGE),
    Never(
        "changes configuration, programs, libraries",
        DOMAINS,
        "etc_t etc_runtime_t bin_t shell_exec_t lib_t usr_t exec_type boot_t",
        FILES,
        CHANGE,
    ),
    Never("changes a unit", DOMAINS, "systemdunit systemd_unit_file_type", "file dir lnk_file", CHANGE),
    Never(
        "reads a unit: systemctl asks systemd", DOMAINS, "systemdunit systemd_unit_file_type", "file lnk_file", CONTENT
    ),
    Never(
        "changes the gate, the settings, the scripts, the hooks",
        DOMAINS,
        f"{OUR_FILES} -crane_keepalived_var_run_t",
        FILES,
        CHANGE,
    ),
    Never(
        "a hook reads the settings, the gate or the notes",
        HOOK,
        OURS_IN_RUN_AND_ETC,
        "file",
        CONTENT,
    ),
    Never("keepalived itself changes any of it", KEEPALIVED, OUR_FILES, FILES, CHANGE),
    Never(
        "keepalived itself reads settings, notes or hooks",
        KEEPALIVED,
        "crane_keepalived_conf_t crane_keepalived_var_run_t crane_keepalived_hook_exec_t",
        "file lnk_file",
        CONTENT,
    ),
    Never("reads passwords", DOMAINS, "shadow_t", FILES, CONTENT),
    Never(
        "reads a private key",
        DOMAINS,
        "sshd_key_t ssh_home_t cert_t tls_privkey_t cert_type dnssec_t named_key_t krb5_keytab_t ipsec_key_file_t "
        "samba_secrets_t gpg_secret_t slapd_cert_t chronyd_keys_t sssd_conf_t",
        "file lnk_file",
        CONTENT,
    ),
    Never("looks through private keys", DOMAINS, "sshd_key_t ssh_home_t cert_t tls_privkey_t", "dir", IN_FOLDER),
    Never("reads a log", DOMAINS, "logfile", "file lnk_file", CONTENT),
    Never(
        "reads what a user has at home, root included",
        DOMAINS,
        "user_home_type admin_home_t user_home_t user_home_dir_t",
        "file lnk_file",
        CONTENT,
    ),
    Never(
        "looks through it",
        DOMAINS,
        "home_root_t user_home_type admin_home_t user_home_t user_home_dir_t",
        "dir",
        IN_FOLDER,
    ),
    Never(
        "executes it",
        DOMAINS,
        "home_root_t user_home_type admin_home_t user_home_t",
        "file",
        "execute execute_no_trans",
    ),
    Never(
        "sees the shared storage, where that carries no labels", DOMAINS, "nfs_t cifs_t fusefs_t noxattrfs", FILES, ALL
    ),
    Never("or where it has none yet", DOMAINS, "unlabeled_t default_t file_t", FILES, "* -search -getattr -open"),
    Never(
        "reads, writes or executes a file of /var, or of a shared storage with its label",
        DOMAINS,
        "var_t var_lib_t",
        "file sock_file fifo_file chr_file blk_file",
        ALL,
    ),
    Never("looks through /var", DOMAINS, "var_t var_lib_t", "dir", IN_FOLDER),
    Never("opens or makes a temporary file", DOMAINS, "tmpfile tmp_t tmpfs_t", "file", "create open write"),
    Never("makes or removes a name in its folder", DOMAINS, "tmpfile tmp_t tmpfs_t", "dir", CHANGE),
    Never(
        # a hook, EL 9's domtrans_pattern would let it: the transition is first, and a script cannot choose
        "a script executes what is not a program, in its own domain",
        SCRIPT,
        f"* {PROGRAMS} -crane_keepalived_exec_t -crane_keepalived_hook_exec_t",
        "file",
        "execute_no_trans",
    ),
    Never(
        "a hook executes what is neither a program nor a hook",
        HOOK,
        f"* {PROGRAMS} -crane_keepalived_hook_exec_t",
        "file",
        "execute_no_trans",
        (False,),
    ),
]
