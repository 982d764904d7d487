"""A tiny real service: one process that answers whoever says something. Run: `service.py PORT PIDFILE`."""

import os
import signal
import socket
import sys
from contextlib import suppress

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def main() -> None:
    """Listen, say who we are, and wait to be killed."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
    with open(f"{sys.argv[2]}.new", "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    os.rename(f"{sys.argv[2]}.new", sys.argv[2])
    with listener:
        while True:
            with listener.accept()[0] as client, suppress(OSError):
                if client.recv(4096):
                    client.sendall(ANSWER)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    main()
