# shellcheck shell=sh disable=SC2034 # $open, $pid and $now are for those who source this
# What check_and_failover.sh and the notify scripts ask of this node. Each looks at what is true now: keepalived runs
# notify scripts side by side, and neither the order nor the loss of a call may do harm. Nothing here touches the storage.

etc=/etc/crane-keepalived
notes=/run/crane-keepalived

# sourcing a file that is not there would end the shell, and keepalived would take that for a failed check
[ -r "$etc/settings" ] || exit 0
# shellcheck source=/dev/null # rendered by crane-ha-setup: values in single quotes, nothing else
. "$etc/settings"
# an upgrade may ask for more than the last crane-ha-setup wrote
: "${CHECK_TIMEOUT:=5}" "${CHECK_GRACE:=60}" "${HOOK_TIMEOUT:=30}"

# The SELinux domain that keepalived runs us in, and by its age that keepalived runs us at all: crane-ha looks at it.
domain=''
{
    read -r domain </proc/self/attr/current || : # no newline ends it; without SELinux it cannot be read
    echo "$domain" >"$notes/domain"
} 2>/dev/null || :

log() {
    logger --tag crane-keepalived -- "$*"
}

# Sets $open and $pid: the gate's state, and the process that holds the storage lock. A line without its end is just
# being written: not open yet, or not any more.
read_gate() {
    open='' pid=''
    read -r open pid 2>/dev/null </run/crane-keepalived.gate || open='' pid=''
}

# Does the process that the gate names run? Stopped (T), it serves nobody; a zombie (Z) has ended, whoever did not notice.
holder_runs() {
    stat=''
    read -r stat 2>/dev/null <"/proc/${pid:-none}/stat" || :
    case "${stat##*) }" in
    '' | [TtXZ]*) false ;;
    *) true ;;
    esac
}

# Was the lock taken here, and not given up?
lock_is_here() {
    read_gate
    [ "$open" = 1 ] && [ -d "/proc/${pid:-none}" ]
}

# Sets $now: the seconds since the machine booted, by the clock that nobody can set, at which this script began. The
# stat(5) of proc has it 22nd, in the hundredths of a second that every Linux shows.
look_at_clock() {
    stat=''
    read -r stat </proc/self/stat
    # shellcheck disable=SC2086 # numbers, and a letter
    set -- ${stat##*) }
    now=$((${20} / 100))
}

link_is_up() {
    carrier=''
    # of an interface that is switched off it cannot be read
    read -r carrier 2>/dev/null <"/sys/class/net/$INTERFACE/carrier" || :
    [ "$carrier" = 1 ]
}

# The administrator's executables in the folder $1, one after the other, none longer than $2 seconds; false if one fails.
run_folder() {
    failed=0
    for program in "$etc/$1"/*; do
        case "$program" in
        *~ | *.bak | *.rpmnew | *.rpmorig | *.rpmsave) continue ;;
        esac
        if [ ! -e "$program" ]; then
            [ "$program" = "$etc/$1/*" ] || # an empty folder
                refuse "$program" "cannot be looked at: a link that leads nowhere, or SELinux: restorecon -R $etc, and no links"
        elif [ ! -f "$program" ] || [ ! -x "$program" ]; then
            continue
        elif ! belongs_to_root "$program"; then
            refuse "$program" "must belong to root and be writable by root alone, and so must its folders"
        else
            timeout --kill-after=2 "$2" "$program" </dev/null >/dev/null 2>&1 || {
                log "$program: failed with status $? (124: it ran longer than $2 s; 126: it may not be run)"
                failed=1
            }
        fi
    done
    return "$failed"
}

# Is the file behind $1, and every folder on the way to it, root's and writable by root alone?
belongs_to_root() {
    part=$(readlink -f -- "$1")
    set -- /
    while [ -n "$part" ]; do
        set -- "$@" "$part"
        part=${part%/*}
    done
    [ -z "$(find "$@" -maxdepth 0 \( ! -uid 0 -o -perm /022 \))" ]
}

# Says why $1 is not run, once for each boot: checks come every other second.
refuse() {
    said=$notes/refused
    grep --quiet --no-messages --line-regexp --fixed-strings -- "$1" "$said" && return
    echo "$1" >>"$said"
    log "$1: not run, for it $2"
}

# The administrator's word of what happened; last in every script, for it may take its time.
run_hooks() {
    export CRANE_HA_STATE="$1" CRANE_HA_ADDRESSES="$ADDRESSES" CRANE_HA_ROLE="$ROLE"
    run_folder "$1.d" "$HOOK_TIMEOUT" || :
}
