#!/bin/sh
# shellcheck disable=SC2154 # what node-state.sh sets
# keepalived: the address is not to be here. Mostly because the gate is closed: this node stands by.
. /usr/libexec/crane-keepalived/node-state.sh

if lock_is_here; then
    # The lock is here and the address cannot be: hand over, if what keeps it away is true now.
    if ! link_is_up; then
        why="the link of $INTERFACE is down"
    elif ! /usr/libexec/crane-keepalived/check_and_failover.sh; then
        why="cranectld is not well"
    else
        exit 0 # already mended: the address comes back by itself
    fi
    # try-restart: while an administrator's stop is under way, it ends in a stopped unit
    systemctl --no-block try-restart cranectld.service
    log "$why: handing over"
    run_hooks fault
elif [ "$pid" = fault ] || [ "$(systemctl show --property=Result --value cranectld.service)" != success ]; then
    log "cranectld failed on this node: another node takes over"
    run_hooks fault
else
    log "this node does not serve"
    run_hooks backup
fi
