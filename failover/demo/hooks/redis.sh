# The hooks of a real redis-server: /bin/sh redis.sh start|promote|demote|follow|role FOLDER
#
# Exit 0: done. 1: not done. Anything else: unknown. A standby is a replica; one that follows nobody yet replicates
# from port 1, where nobody listens, and so takes no writes. FOLDER/settings is written by the demo: port, and
# port_NODE of each node.

verb=$1 folder=$2
. "$folder/settings"
cd "$folder" || exit 2

nobody="127.0.0.1 1"

cli() { redis-cli -h 127.0.0.1 -p "$port" "$@" 2>&1; }

# Not `kill -0` alone: a killed process that nobody has reaped yet still takes signals.
alive() {
    read -r pid <pid && read -r _ _ state _ <"/proc/$pid/stat" && [ "$state" != Z ] && [ "$state" != X ]
} 2>/dev/null

# Redis leaves the hook's session by itself (daemonize). Without a dump on disk: a restarted one takes all from the
# active, and must not be promoted before it has.
start() {
    alive && return 0
    rm -f pid
    redis-server --bind 127.0.0.1 --port "$port" --dir "$folder" --pidfile "$folder/pid" --daemonize yes \
        --logfile "$folder/service.log" --save "" --appendonly no --replicaof "$nobody" \
        --repl-diskless-sync-delay 0 --repl-ping-replica-period 1 >/dev/null || exit 1
    tries=0
    until [ -s pid ] && [ "$(cli PING)" = PONG ]; do
        [ $((tries += 1)) -le 500 ] || exit 2
        sleep 0.01
    done
}

replicate() {
    said=$(cli REPLICAOF "$@")
    case $said in OK*) ;; *) echo "$said"; exit 1 ;; esac
}

# offset NAME PORT: a number out of INFO; 0 if it is not there.
offset() {
    redis-cli -h 127.0.0.1 -p "$2" INFO replication 2>/dev/null | tr -d '\r' | {
        while IFS=: read -r name value; do [ "$name" = "$1" ] && { echo "$value"; exit; }; done
        echo 0
    }
}

# Not the replica's own `master_link_status:up`: the active sends what was written during the synchronisation only
# once it calls the replica online, up to a second later. From then on every write that counts waits for this one too;
# so whoever has all that was there at that moment lacks nothing.
online() {
    case $(redis-cli -h 127.0.0.1 -p "$1" INFO replication 2>&1) in
    *"port=$port,state=online"*) return 0 ;;
    esac
    return 1
}
catch_up() {
    until online "$1"; do sleep 0.02; done
    wanted=$(offset master_repl_offset "$1")
    until [ "$(offset slave_repl_offset "$port")" -ge "$wanted" ]; do sleep 0.02; done
}

case $verb in
start) start ;;
promote)
    : >promote.began
    if [ -e behind ] && [ "$FAILOVER_OLD_ACTIVE" != "$FAILOVER_NODE" ]; then
        echo "this replica has not caught up with the last active"
        exit 1
    fi
    alive || { echo "redis-server does not run"; exit 1; }
    replicate NO ONE
    rm -f behind
    ;;
demote)
    if alive; then replicate $nobody; fi
    : >demote.ended
    ;;
follow)
    : >behind
    start
    eval "active_port=\$port_$FAILOVER_ACTIVE"
    replicate 127.0.0.1 "$active_port"
    catch_up "$active_port"
    rm -f behind
    ;;
role)
    alive || { echo standby; exit 0; }
    case $(cli ROLE) in master*) echo active ;; slave*) echo standby ;; *) exit 2 ;; esac
    ;;
*) exit 64 ;;
esac
