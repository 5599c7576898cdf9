"""What a distribution gives to every domain there is, by rules on the attribute `domain`: a module cannot take it away.

Exceptions from never.py, and only for such rules: by one of ours, it is a breach.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Given:
    """One row: every domain may do this to the targets."""

    sentence: str
    targets: str
    classes: str
    permissions: str


EVERY_DOMAIN = [
    # ---- Debian too ----
    Given("libraries with text relocations", "textrel_shlib_t", "file", "execmod"),
    Given(
        "the translation of labels",
        "setrans_t setrans_runtime_t setrans_var_run_t",
        "unix_stream_socket sock_file",
        "connectto append open write",
    ),
    # ---- the Red Hat family ----
    Given(
        "the name service of systemd",
        "systemd_resolved_t systemd_resolved_var_run_t",
        "unix_stream_socket sock_file",
        "connectto append open write",
    ),
    Given(
        "users of unprivileged containers",
        "systemd_nsresourced_t systemd_nsresourced_runtime_t",
        "unix_stream_socket sock_file",
        "connectto append open write",
    ),
    Given(
        "answers on D-Bus, to which no domain of ours may connect",
        "devicekit_power_t rolekit_t systemd_resolved_t vmtools_unconfined_t",
        "dbus",
        "send_msg",
    ),
    Given("crash reports", "abrt_helper_t", "process", "transition"),
    Given("crash reports", "abrt_helper_exec_t", "file", "execute_no_trans"),
    Given("crash reports", "abrt_t", "file dir lnk_file process", "getattr open read"),
    Given("in FIPS mode, a program of the distribution", "prelink_exec_t", "file", "execute_no_trans"),
    Given(
        "a file that its parent has opened for it: it can open none",
        "tmpfile afs_cache_t",
        "file",
        "append ioctl lock read write",
    ),
    Given("output of rkhunter and sosreport", "rkhunter_var_lib_t sosreport_tmp_t", "file", "append open"),
    Given("what the script of a package has made", "rpm_script_tmp_t", "file", "open"),
    Given("counters of ICA cards", "ica_tmpfs_t", "file", "create"),
    Given("/dev/shm, but for the files in it", "tmpfs_t", "dir", "add_name remove_name write"),
    Given("the way through /root", "admin_home_t", "lnk_file", "read"),
    Given("the accelerator of encryption", "crypt_device_t", "chr_file", "append write"),
]

# Booleans of the distribution that open one thing to every domain. Off by default; who switches one on has decided it
# for all of the system.
NOT_OURS = (
    "domain_can_mmap_files",  # map alone: of a file that the domain may not open
    "domain_can_write_kmsg",
    "domain_kernel_load_modules",  # request_module(), by what an unknown socket or file system asks for
)
