"""The REST API and the status page: reads snapshots, posts orders.

Knows the controller only through `failover.ports.controller`; knows no store, no fencing, no configuration file.
This module itself imports nothing, so that the operator's command may have the socket's name for free.
"""

SOCKET_NAME = "api.sock"  # in `<state_dir>/<service>/`; whoever can open it is an administrator
