"""Runs in the client's network namespace: asks the service who it is every 10 ms, prints a line for each outcome.

    client_poll.py ADDRESS PORT   ->   "<asked> <done> ok <node> <pid>" or "<asked> <done> no <why>", monotonic seconds

Every attempt is on its own: one that hangs (a packet lost while the address moves) hides no recovery.
"""

from __future__ import annotations

import errno
import select
import socket
import sys
import time

PERIOD, PATIENCE = 0.010, 0.200


class Attempt:
    def __init__(self, address: str, port: int) -> None:
        self.asked = time.monotonic()
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.error = self.socket.connect_ex((address, port))
        if self.error == errno.EINPROGRESS:
            self.error = 0

    def answer(self) -> str | None:
        """The attempt's outcome, once poll() has told that there is one; None for not yet."""
        if self.error:
            return "no " + errno.errorcode.get(self.error, str(self.error))
        try:
            text = self.socket.recv(200).decode().strip()
        except BlockingIOError:
            return None
        except OSError as error:
            return "no " + errno.errorcode.get(error.errno or 0, "error")
        return f"ok {text}" if text else "no closed"


def main(address: str, port: int) -> None:
    poll = select.poll()
    open_attempts: dict[int, Attempt] = {}
    next_start = time.monotonic()

    def done(descriptor: int, outcome: str) -> None:
        attempt = open_attempts.pop(descriptor)
        poll.unregister(descriptor)
        attempt.socket.close()
        print(f"{attempt.asked:.4f} {time.monotonic():.4f} {outcome}", flush=True)

    while True:
        now = time.monotonic()
        if now >= next_start:
            attempt = Attempt(address, port)
            descriptor = attempt.socket.fileno()
            open_attempts[descriptor] = attempt
            poll.register(descriptor, select.POLLIN)
            if attempt.error:
                done(descriptor, attempt.answer() or "")
            next_start = max(next_start + PERIOD, now)
        for descriptor in [d for d, a in open_attempts.items() if now - a.asked > PATIENCE]:
            done(descriptor, "no timeout")
        for descriptor, _event in poll.poll(max(0.0, (next_start - time.monotonic()) * 1000)):
            outcome = open_attempts[descriptor].answer()
            if outcome:
                done(descriptor, outcome)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
