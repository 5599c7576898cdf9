"""What the fence may not do, besides what none of our domains may: never.py."""

from __future__ import annotations

from selinux.grants import FENCE
from selinux.never import ALL, CHANGE, CONTENT, OURS_IN_RUN_AND_ETC, PROGRAMS, Never

NEVER_FENCE = [
    Never("the fence controls any", FENCE, ALL, "service", ALL),
    Never("the fence signals others than itself", FENCE, f"* -{FENCE}", "process", "sigkill sigstop signal"),
    Never(
        "the fence reads of another process in /proc, but of cranectld",
        FENCE,
        f"domain -{FENCE} -initrc_t -unconfined_service_t",
        "file dir lnk_file",
        "open read write",
    ),
    Never("the fence becomes anything else", FENCE, ALL, "process", "transition dyntransition"),
    Never("its domain is entered by another file", FENCE, "* -crane_keepalived_fence_exec_t", "file", "entrypoint"),
    Never(
        "the fence has one but to reboot", FENCE, ALL, "capability capability2 cap_userns cap2_userns", "* -sys_boot"
    ),
    Never("the fence changes a file or folder", FENCE, f"* -{FENCE}", "file dir lnk_file", CHANGE),
    Never("the fence reads settings, gate or notes", FENCE, OURS_IN_RUN_AND_ETC, "file", CONTENT),
    Never(
        "the fence executes what is not a program",
        FENCE,
        f"* {PROGRAMS} -crane_keepalived_fence_exec_t",
        "file",
        "execute_no_trans",
    ),
]
