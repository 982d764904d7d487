"""A tiny real service: one process that listens. Run as a program: `service.py PORT PIDFILE`."""

import os
import signal
import socket
import sys


def main() -> None:
    """Listen, say who we are, and wait to be killed."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
    with open(f"{sys.argv[2]}.new", "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    os.rename(f"{sys.argv[2]}.new", sys.argv[2])
    with listener:
        while True:
            listener.accept()[0].close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    main()
