"""`kind: ssh`: log in to the node, end its service and its controller, and have that proven.

The system's `ssh` is the only transport. What runs on the far side is `failoverctl fence-local`, or the operator's own.
"""

from fencing.ssh.method import SshFence

__all__ = ["SshFence"]
