#!/bin/sh
# shellcheck disable=SC2154 # what node-state.sh sets
# keepalived: the address is not to be here. Mostly because the gate is closed: this node stands by.
. /usr/libexec/crane-keepalived/node-state.sh

# How often cranectld failed here in a row, for the hooks. A third word is the daemon whose end is not counted yet. The
# file is cranectld's user's: a shell that is to add what is no number may run it.
read_failures() {
    failures='' failed_at='' running=''
    read -r failures failed_at running 2>/dev/null <"$record" || :
    case "$failures" in '' | *[!0-9]* | 0?* | ????*) failures=0 ;; esac
    case "$failed_at" in '' | *[!0-9]* | 0?* | ???????????*) failed_at=0 ;; esac
    [ -z "$running" ] || failures=$((failures + 1))
    export CRANE_HA_FAILURES="$failures"
}
record=/run/crane-keepalived.failures

# Did the daemon that ended here just now fail? systemd knows until it starts the unit again, a second later; from then on
# the record tells.
daemon_failed() {
    [ "$pid" = fault ] || [ "$(systemctl show --property=Result --value cranectld.service)" != success ] || {
        read_failures
        look_at_clock
        [ -z "$running" ] && [ "$failures" -gt 0 ] && [ $((now - failed_at)) -lt 10 ]
    }
}

read_failures
if lock_is_here; then
    # The lock is here and the address cannot be: hand over, if what keeps it away is true now.
    holder=$pid
    if ! link_is_up; then
        why="the link of $INTERFACE is down"
    elif ! /usr/libexec/crane-keepalived/check_and_failover.sh; then
        why="cranectld is not well"
    else
        exit 0 # already mended: the address comes back by itself
    fi
    # A check may take longer than the heartbeat waits for the address: what runs now may be the next daemon, or the queue.
    if lock_is_here && [ "$pid" = "$holder" ]; then
        # A restart that was asked for is no failure, unless we say so; of a lost link the heartbeat has said that it is
        # none. cranectld's user reads it, and keepalived's umask is 077.
        (umask 022 && echo "$pid" >"$notes/failed")
        # try-restart: while an administrator's stop is under way, it ends in a stopped unit
        systemctl --no-block try-restart cranectld.service
        log "$why: handing over"
    else
        log "$why: the heartbeat has let it go"
    fi
    run_hooks fault
elif daemon_failed; then
    log "cranectld failed on this node: another node takes over"
    run_hooks fault
else
    log "this node does not serve"
    run_hooks backup
fi
