# The power switch of a make-believe host: /bin/sh fence.sh FOLDER
#
# Asks the host's own process (failover.demo.machine) to end everything that runs on it: controller, hooks, service.
# Exit 0 only once it has said that nothing is left. Without an answer the deadline ends this: unknown.

cd "$1" && [ -p power ] || exit 2
id=$$.${FAILOVER_ATTEMPT:-0}
rm -f "off.$id" # an answer to somebody else's question, long ago
echo "$id" 1<>power
until [ -e "off.$id" ]; do sleep 0.005; done
