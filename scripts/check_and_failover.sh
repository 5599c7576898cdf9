#!/bin/sh
# shellcheck disable=SC2154 # settings, and what node-state.sh sets
# keepalived's vrrp_script: is the cranectld that holds the lock here well? False puts the node in FAULT, and on_fault.sh
# has it hand over. On a standby there is nothing to check, and the gate keeps the address away.
. /usr/libexec/crane-keepalived/node-state.sh

read_gate
[ "$open" = 1 ] || exit 0
holder_runs || exit 1

passed=$notes/passed
last=''
read -r last 2>/dev/null <"$passed" || :

# Has no check passed since this daemon took the lock?
starting() {
    [ "$last" != "$pid" ]
}

if run_folder check.d "$CHECK_TIMEOUT"; then
    starting && echo "$pid" >"$passed"
    exit 0
fi
# A daemon that no check has passed yet may still be starting. Its grace begins with the first check that it fails.
starting || exit 1
failing=$notes/failing
seen='' since=''
read -r seen since 2>/dev/null <"$failing" || :
look_at_clock
if [ "$seen" != "$pid" ]; then
    since=$now
    echo "$pid $since" 2>/dev/null >"$failing" || exit 1 # without a note it would not end
fi
[ $((now - since)) -lt "$CHECK_GRACE" ]
