#!/bin/sh
# shellcheck disable=SC2154 # settings, and what node-state.sh sets
# keepalived's vrrp_script: is the cranectld that holds the lock here well? False puts the node in FAULT, and on_fault.sh
# has it hand over. On a standby there is nothing to check, and the gate keeps the address away.
. /usr/libexec/crane-keepalived/node-state.sh

read_gate
[ "$open" = 1 ] || exit 0
[ -d "/proc/${pid:-none}" ] || exit 1
run_folder check.d "$CHECK_TIMEOUT"
