# Each line of standard input lists the process groups to end when standard input ends, which it does with the
# supervisor. SIGTERM first; SIGKILL for those that are left after $1 seconds.
trap '' INT TERM HUP
groups=
while read -r line; do groups=$line; done

signal_groups() {
    left=
    for group in $groups; do
        kill "-$1" "-$group" && left="$left $group"
    done
    groups=$left
}

signal_groups TERM
seconds=$1
while [ "$seconds" -gt 0 ] && [ -n "$groups" ]; do
    sleep 1
    signal_groups 0
    seconds=$((seconds - 1))
done
signal_groups KILL
