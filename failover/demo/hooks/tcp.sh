# The little service's hooks: /bin/sh tcp.sh start|promote|demote|follow|role FOLDER
#
# Exit 0: done. 1: not done. Anything else: unknown. No program is started on the way to a promotion: a shell alone
# takes a millisecond. FOLDER/settings is written by the demo: port, python, pythonpath, and port_NODE of each node.

verb=$1 folder=$2
. "$folder/settings"
cd "$folder" || exit 2

# Not `kill -0` alone: a killed process that nobody has reaped yet still takes signals.
alive() {
    read -r pid <pid && read -r _ _ state _ <"/proc/$pid/stat" && [ "$state" != Z ] && [ "$state" != X ]
} 2>/dev/null

# In a session of its own: what stays in the hook's would end with the hook.
start() {
    alive && return 0
    rm -f pid role
    PYTHONPATH=$pythonpath setsid "$python" -m failover.demo.service "$folder" "$port" </dev/null >>service.log 2>&1 &
    tries=0
    until [ -e pid ]; do
        [ $((tries += 1)) -le 500 ] || exit 2
        sleep 0.01
    done
}

# ask ORDER...: one line into `orders`; the answer bears the same id, and older ones are passed over.
ask() {
    alive || { echo "the service does not run"; exit 1; }
    id=$$.${FAILOVER_ATTEMPT:-0}
    exec 3<>answers
    echo "$id $*" 1<>orders
    while read -r answered verdict why <&3; do
        [ "$answered" = "$id" ] || continue
        [ "$verdict" = done ] && return 0
        echo "$why"
        exit 1
    done
    exit 2
}

case $verb in
start) start ;;
promote)
    : >promote.began
    ask promote "$FAILOVER_EPOCH" "${FAILOVER_OLD_ACTIVE:--}" "$FAILOVER_NODE"
    ;;
demote)
    if alive; then ask demote; fi
    : >demote.ended
    ;;
follow)
    start
    eval "active_port=\$port_$FAILOVER_ACTIVE"
    ask follow "$active_port"
    ;;
role)
    if alive && read -r said <role; then echo "$said"; else echo standby; fi
    ;;
*) exit 64 ;;
esac
