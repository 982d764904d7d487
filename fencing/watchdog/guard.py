"""The guard: a small process that holds a second copy of the watchdog's descriptor, and never writes to it.

When the controller is killed, the kernel would feed the dog once more as the last descriptor is closed. The guard's
copy stays open, so that it does not; and the next controller gets the descriptor from here. If none comes, the dog
fires.
Run as a script with `-I -S`: imports nothing of ours. `guard.py SOCKET LISTENING_FD`.
"""

import os
import signal
import socket
import sys

HOLD, TAKE, RELEASE = b"H", b"T", b"R"
LONGEST = 4096


def serve(listener: socket.socket, path: str) -> None:
    """One controller after the other; ends when nothing is held and nobody is connected."""
    held, words = -1, b""
    while True:
        connection, _ = listener.accept()
        with connection:
            while True:
                try:
                    said, fds, _, _ = socket.recv_fds(connection, LONGEST, 1)
                    if not said:
                        break
                    if said[:1] == HOLD and fds:
                        if held >= 0:
                            os.close(held)
                        held, words = fds[0], said[1:]
                        connection.send(HOLD)
                    elif said[:1] == TAKE and held >= 0:
                        socket.send_fds(connection, [TAKE + words], [held])
                    elif said[:1] == RELEASE and held >= 0:
                        os.close(held)
                        held, words = -1, b""
                        connection.send(RELEASE)
                    else:
                        connection.send(b"-")
                except OSError:
                    break
        if held < 0:
            os.unlink(path)
            return


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    serve(socket.socket(fileno=int(sys.argv[2])), sys.argv[1])
