"""Does cranectld still take its clients in? A process that hangs keeps its port open: the kernel accepts for it.

So the question is whether the process has fetched our own connection from the kernel. The kernel tells that of each
connection (sock_diag(7)): one that waits in the queue has no inode yet. It needs no word of cranectld's protocol, with
TLS or without, and leaves none in its log.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path
from typing import Optional

# linux/sock_diag.h, linux/inet_diag.h, linux/netlink.h
_SOCK_DIAG_BY_FAMILY, _NETLINK_SOCK_DIAG, _NLM_F_REQUEST, _NLMSG_ERROR = 20, 4, 0x1, 2
_HEADER = struct.Struct("=IHHII")
# family, protocol, extensions, padding, states; then the two ends, any interface, no cookie
_REQUEST = struct.Struct("=BBBBI2s2s16s16sIII")
_NO_COOKIE = 0xFFFFFFFF
# include/net/tcp_states.h
_TCP_CLOSE = 7
_INODE = struct.Struct("=I")
_INODE_AT = _HEADER.size + 68
_HERE = "127.0.0.1"


class Pulse:
    """Did a signal stop the process, SIGSTOP say, or does a debugger hold it?"""

    def __init__(self, pid: int) -> None:
        self._stat = Path("/proc", str(pid), "stat")
        self._stopped = False

    def stands_still(self) -> bool:
        """Now, and when it was asked last: one look may meet a person who looks into it for a moment."""
        before = self._stopped
        try:
            # proc(5): the state follows the name, which may contain anything
            self._stopped = self._stat.read_bytes().rpartition(b") ")[2][:1] in (b"T", b"t")
        except OSError:  # it has just ended, or there is no descriptor left
            self._stopped = False
        return before and self._stopped


class Probe:
    """One connection at a time; nothing here waits.

    ``failures`` counts in a row, once cranectld is known to serve at the port: it has taken somebody in; or it has
    made its alive file, for it is ready, and the port is open.
    """

    def __init__(self, port: int, alive_file: Path) -> None:
        self.failures = 0
        self._port, self._alive_file = port, alive_file
        self._answered = False
        self._question: Optional[socket.socket] = None

    def ask(self) -> None:
        """Look at what became of the last question, and put the next one. Raises OSError when there is no socket."""
        last, self._question = self._question, None
        if last:
            with last:
                if self._was_taken(last):
                    self.failures, self._answered = 0, True
                elif self._answered or (self._alive_file.exists() and not _was_refused(last)):
                    self.failures += 1  # else it may still be starting, or be told to listen elsewhere
        question = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        question.connect_ex((_HERE, self._port))
        self._question = question

    def _was_taken(self, question: socket.socket) -> bool:
        try:
            question.getpeername()  # fails while the queue is too full even to wait in
            question.recv(1)
        except BlockingIOError:
            return _has_owner(self._port, question.getsockname()[1])
        except ConnectionResetError:
            return True  # by a process that closed it
        except OSError:
            return False  # refused
        return True  # it spoke, or closed


def _was_refused(question: socket.socket) -> bool:
    """Is there no such port? Its queue may be too full even to wait in."""
    return question.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE


def _has_owner(port: int, client_port: int) -> bool:
    """Does a process own the server's end of the connection? True also where the kernel cannot tell."""
    local = socket.inet_aton(_HERE).ljust(16, b"\0")
    ends = (port.to_bytes(2, "big"), client_port.to_bytes(2, "big"), local, local)
    body = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF, *ends, 0, _NO_COOKIE, _NO_COOKIE)
    message = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as kernel:
        kernel.send(message)
        answer = kernel.recv(65536)
    kind = _HEADER.unpack_from(answer)[1]
    if kind == _NLMSG_ERROR:
        code = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        if code not in (errno.ENOENT, 0):
            print(f"heartbeat: sock_diag: {os.strerror(code)}", flush=True)
        return True  # a kernel without sock_diag, or a connection that has ended
    return bool(_INODE.unpack_from(answer, _INODE_AT)[0])
