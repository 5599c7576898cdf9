#!/bin/sh
# keepalived: the gate opened, and the address has not come yet; or a master of higher priority has it.
# Nothing to do: the heartbeat lets go of the lock should the address stay away.
. /usr/libexec/crane-keepalived/node-state.sh

lock_is_here || run_hooks backup
