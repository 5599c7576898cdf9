"""All that our module adds to a policy: who may do what to what, and why."""

from __future__ import annotations

from dataclasses import dataclass

SCRIPT, HOOK, KEEPALIVED = "crane_keepalived_t", "crane_keepalived_hook_t", "keepalived_t"
FENCE = "crane_keepalived_fence_t"
BOTH = f"{SCRIPT} {HOOK}"
DOMAINS = f"{BOTH} {FENCE}"

# "what is needed | what the distributions' interfaces add to it"
SEARCH = "search | getattr open"
LIST = "open read search | getattr ioctl lock"
READ = "open read | getattr ioctl lock"
MAP = f"map {READ}"
LINK = "read | getattr"
RUN = "execute execute_no_trans map open read | getattr ioctl lock"
# EL 9's domtrans_pattern adds execute_no_trans. It is of no use without process setexec, for the new domain is default.
ENTER = "execute open read | getattr ioctl map execute_no_trans"
PIPE = "read write | append getattr ioctl lock"
SOCKET = "create connect read write | append bind getattr getopt ioctl lock setattr setopt shutdown"
# logging_send_syslog_msg asks for it
SERVER = f"{SOCKET} listen accept"
SENDTO = "write | append getattr open"
MANAGE = (
    "create open write | add_name append getattr ioctl link lock read relabelfrom relabelto remove_name rename "
    "reparent rmdir search setattr unlink"
)
NODE = "| create getattr relabelfrom relabelto setattr unlink"


@dataclass(frozen=True)
class Grant:
    """One row: the sources may do this to the targets, types or attributes that not every distribution has."""

    sentence: str
    sources: str
    targets: str
    classes: dict[str, str]
    # only while the boolean crane_keepalived_send_mail is on
    mail: bool = False

    def needed(self, tclass: str) -> frozenset[str]:
        return frozenset(self.classes[tclass].partition("|")[0].split())

    def all(self, tclass: str) -> frozenset[str]:
        return frozenset(self.classes[tclass].replace("|", " ").split())


GRANTS = [
    # ---- keepalived ----
    Grant("keepalived executes the scripts", KEEPALIVED, "crane_keepalived_exec_t", {"file": ENTER}),
    Grant(
        "keepalived starts the scripts' domain, and ends a script that takes too long",
        KEEPALIVED,
        SCRIPT,
        {"process": "transition getpgid sigkill signal"},
    ),
    Grant("keepalived reads the gate", KEEPALIVED, "crane_keepalived_gate_t", {"file": READ}),
    Grant(
        "and is told of changes in /run",
        KEEPALIVED,
        "var_run_t",
        {"dir": "read watch | getattr ioctl lock open search"},
    ),
    # ---- the scripts ----
    Grant(
        "scripts are what enters the scripts' domain", SCRIPT, "crane_keepalived_exec_t", {"file": f"entrypoint {RUN}"}
    ),
    Grant(
        "scripts have what keepalived opened for them, and say that they have ended",
        SCRIPT,
        KEEPALIVED,
        {"fd": "use", "fifo_file": PIPE, "process": "sigchld"},
    ),
    Grant("scripts read the settings", SCRIPT, "crane_keepalived_conf_t", {"dir": SEARCH, "file": READ}),
    Grant("scripts read the gate", SCRIPT, "crane_keepalived_gate_t", {"file": READ}),
    Grant(
        "scripts keep notes",
        SCRIPT,
        "crane_keepalived_var_run_t",
        {
            "dir": "add_name search write | getattr ioctl lock open",
            "file": "append create getattr open read write | ioctl lock",
        },
    ),
    Grant(
        "scripts look whether cranectld runs, where a service without a domain of its own runs",
        SCRIPT,
        "initrc_t unconfined_service_t",
        {"dir": "getattr search | open", "file": READ},
    ),
    Grant("scripts look for processes", SCRIPT, "proc_t", {"dir": SEARCH}),
    Grant("scripts look at the link", SCRIPT, "sysfs_t", {"dir": f"| {LIST}", "file": READ, "lnk_file": LINK}),
    Grant(
        "scripts see which hooks there are, and execute them",
        SCRIPT,
        "crane_keepalived_hook_exec_t",
        {"dir": LIST, "file": ENTER},
    ),
    Grant("scripts start the hooks' domain, and end a hook", SCRIPT, HOOK, {"process": "transition sigkill signal"}),
    Grant("scripts start and look at one unit", SCRIPT, "cranectld_unit_file_t", {"service": "start status"}),
    # ---- hooks ----
    Grant(
        "hooks are what enters the hooks' domain, and execute each other",
        HOOK,
        "crane_keepalived_hook_exec_t",
        {"dir": LIST, "file": f"entrypoint {RUN}"},
    ),
    Grant(
        "hooks have what a script opened for them, and say that they have ended",
        HOOK,
        SCRIPT,
        {"fd": "use", "fifo_file": PIPE, "process": "sigchld"},
    ),
    Grant("hooks are executed by their path", HOOK, "crane_keepalived_conf_t", {"dir": SEARCH}),
    Grant("hooks start, stop and look at one unit", HOOK, "cranectld_unit_file_t", {"service": "start status stop"}),
    Grant("hooks read /etc", HOOK, "etc_t", {"dir": LIST, "file": READ, "lnk_file": LINK}),
    Grant(
        "hooks read what is written into /etc at run time",
        HOOK,
        "etc_runtime_t",
        {"file": f"| {READ}", "lnk_file": f"| {LINK}"},
    ),
    Grant("hooks look up users", HOOK, "passwd_file_t", {"file": f"| {READ}"}),
    *(
        Grant(
            "scripts and hooks end what they started, and have the pipes of a shell",
            domain,
            domain,
            {"process": "setpgid sigkill signal", "fifo_file": PIPE},
        )
        for domain in BOTH.split()
    ),
    # ---- the fence ----
    Grant("systemd executes the fence", "init_t", "crane_keepalived_fence_exec_t", {"file": ENTER}),
    Grant("in its domain", "init_t", FENCE, {"process": "transition"}),
    Grant(
        "which no other file enters",
        FENCE,
        "crane_keepalived_fence_exec_t",
        {"file": "entrypoint execute map open read | getattr ioctl lock"},
    ),
    Grant(
        "the fence has what systemd opened for it, and says that it has ended",
        FENCE,
        "init_t",
        {"fd": "use", "fifo_file": f"| {PIPE}", "process": "sigchld | signull"},
    ),
    Grant(
        "the fence sees the processes of cranectld's unit",
        FENCE,
        "cgroup_t cgroup_type",
        {"dir": SEARCH + " read ioctl lock", "file": READ, "lnk_file": f"| {LINK}"},
    ),
    Grant(
        "the fence looks whether cranectld sleeps in the kernel, as the scripts look at it",
        FENCE,
        "initrc_t unconfined_service_t",
        {"dir": "search | getattr open", "file": READ},
    ),
    Grant("on the way to the log's socket", FENCE, "init_runtime_t init_var_run_t", {"dir": f"search | {SEARCH}"}),
    Grant("on the way to the cgroups", FENCE, "sysfs_t tmpfs_t", {"dir": f"| {SEARCH}"}),
    Grant("the fence reboots", FENCE, FENCE, {"capability": "sys_boot"}),
    # ---- all three ----
    *(
        Grant(
            "each domain sees itself in /proc, and forks",
            domain,
            domain,
            {
                "process": "fork sigchld | getcap getsched sigkill signal signull sigstop",
                "fifo_file": f"| {PIPE} open create link rename setattr unlink",
                "unix_dgram_socket": SOCKET,
                "unix_stream_socket": SERVER,
                # what every domain of the distribution has with itself
                "dir": f"{LIST} watch",
                "file": f"{READ} append write",
                "lnk_file": "read | getattr ioctl lock",
                "association": "| sendto",
                "lockdown": "| confidentiality integrity",
                "peer": "| recv",
                "sem": "| associate create destroy getattr read setattr unix_read unix_write write",
                "shm": "| associate create destroy getattr lock read setattr unix_read unix_write write",
            },
        )
        for domain in DOMAINS.split()
    ),
    Grant("programs are executed", DOMAINS, "bin_t", {"dir": LIST, "file": RUN, "lnk_file": LINK}),
    Grant("shells are executed", DOMAINS, "shell_exec_t", {"file": RUN}),
    Grant("the locale is read", DOMAINS, "locale_t", {"dir": LIST, "file": MAP, "lnk_file": LINK}),
    *(
        Grant(
            "files are found by their path",
            DOMAINS,
            folder,
            {"dir": f"{SEARCH} read ioctl lock", "lnk_file": f"| {LINK}"},
        )
        for folder in ("etc_t", "usr_t", "var_t", "var_run_t", "device_t")
    ),
    Grant("systemctl is executed", DOMAINS, "systemd_systemctl_exec_t", {"file": RUN}),
    Grant(
        "systemctl looks at process 1",
        BOTH,
        "init_t",
        {"dir": SEARCH, "file": f"read | {READ}", "lnk_file": LINK, "process": "| sigchld signull"},
    ),
    Grant("systemctl connects to systemd", BOTH, "init_t", {"unix_stream_socket": "connectto | getattr"}),
    Grant("by a socket in /run/systemd", BOTH, "init_runtime_t init_var_run_t", {"dir": SEARCH, "sock_file": SENDTO}),
    Grant(
        "programs ask libselinux whether SELinux is there",
        BOTH,
        "security_t",
        {"filesystem": "getattr", "dir": f"| {SEARCH}", "lnk_file": f"| {LINK}"},
    ),
    Grant("on the way to selinuxfs", BOTH, "sysfs_t", {"dir": SEARCH, "filesystem": "getattr"}),
    Grant("logger finds the log", DOMAINS, "devlog_t", {"sock_file": SENDTO}),
    Grant("and its folder", DOMAINS, "syslogd_runtime_t syslogd_var_run_t", {"dir": SEARCH}),
    Grant(
        "logger writes to it", DOMAINS, "syslogd_t", {"unix_dgram_socket": "sendto", "unix_stream_socket": "connectto"}
    ),
    Grant(
        "logging_send_syslog_msg: the log of a system without a log daemon",
        DOMAINS,
        "kernel_t",
        {"unix_dgram_socket": "sendto"},
    ),
    Grant("likewise its console", DOMAINS, "console_device_t", {"chr_file": "| append getattr ioctl lock open write"}),
    Grant("and the log daemon sees whether the sender is there", "syslogd_t", DOMAINS, {"process": "signull"}),
    # ---- the administrator's boolean ----
    Grant(
        "mail: hooks connect to a relay",
        HOOK,
        HOOK,
        {"tcp_socket": SOCKET, "udp_socket": SOCKET},
        mail=True,
    ),
    Grant("mail: its port, and the DNS's", HOOK, "smtp_port_t dns_port_t", {"tcp_socket": "name_connect"}, mail=True),
    Grant("mail: where the DNS is", HOOK, "net_conf_t", {"dir": LIST, "file": READ, "lnk_file": LINK}, mail=True),
    Grant("mail: and that of systemd", HOOK, "systemd_resolved_runtime_t", {"dir": SEARCH, "file": READ}, mail=True),
    Grant("mail: on the way to it", HOOK, "pidfile", {"dir": f"| {SEARCH}"}, mail=True),
    Grant("mail: the sendmail command", HOOK, "mta_exec_type", {"file": ENTER, "lnk_file": LINK}, mail=True),
    Grant("mail: in its own domain", HOOK, "system_mail_t", {"process": "transition"}, mail=True),
    *(
        Grant(
            "mail: which has what the hook opened for it",
            domain,
            HOOK,
            {"fd": f"{needed} use", "fifo_file": f"{needed} {PIPE}", "process": f"{needed} sigchld"},
            mail=True,
        )
        for domain, needed in (("system_mail_t", ""), ("mta_user_agent", "|"))
    ),
    # ---- systemd-tmpfiles, by crane-keepalived-gate.service; in the Red Hat family it may already ----
    *(
        Grant(
            "systemd-tmpfiles makes the gate and the folder of notes",
            "systemd_tmpfiles_t",
            made,
            {"dir": MANAGE, "file": MANAGE, "fifo_file": NODE, "lnk_file": NODE},
        )
        for made in ("crane_keepalived_gate_t", "crane_keepalived_var_run_t")
    ),
]
