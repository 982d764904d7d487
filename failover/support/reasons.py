"""Why a system call failed, in the system's own words: asyncio puts "Connect call failed" in their place."""

from __future__ import annotations

import os
import socket


def reason_of(error: OSError) -> str:
    """`Connection refused`, `No route to host`, …"""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error) or type(error).__name__
    return os.strerror(error.errno)
