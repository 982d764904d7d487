"""A BMC that has its hand on a lab host's power switch: OpenIPMI's `ipmi_sim` at the tests' end of the network."""

from typing import Any

from tests.lab.host import Host
from tests.lab.network import TESTS_END, Network
from tests.servers.ipmi import USER, Bmc

_SWITCH = """\
#!/bin/sh
echo "$2 $3 $4" >> {{folder}}/asked
case "$2 $3 $4" in
    "get power ") [ -e {host}/power ] && echo power:1 || echo power:0 ;;
    "set power 0") {host}/power-off ;;
    "set power 1") {host}/power-on ;;
esac
exit 0
"""


class HostBmc(Bmc):
    """The BMC of one host."""

    def __init__(self, host: Host) -> None:
        super().__init__(address=host.network.address(TESTS_END), chassis=_SWITCH.format(host=host.folder))


def agent_options(network: Network) -> dict[str, Any]:
    """What fence_ipmilan is told to reach the BMC that the node's fact `ipmi` names."""
    return {
        "ip": network.address(TESTS_END),
        "ipport": "{node.ipmi}",
        "username": USER,
        "password": {"file": "/etc/failoverd/bmc.secret"},
        "lanplus": True,
        "cipher": "3",
        "power_timeout": 5,
        "power_wait": 0,
    }
