#!/bin/sh
# keepalived: the address came here, because the gate is open. The unit needs no start: who opened the gate runs in it.
. /usr/libexec/crane-keepalived/node-state.sh

if lock_is_here; then
    log "this node is active"
    run_hooks master
fi
