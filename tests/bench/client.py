"""A client's side of a move, as a load balancer sees it: which node answers `/active` with 200, asked all the while."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass

ASK_EVERY_S = 0.002
ANSWER_S = 5.0


@dataclass(slots=True)
class _Seen:
    """CLOCK_MONOTONIC in seconds: the last yes of the old active, the first yes of the new one."""

    last_of_old: float = 0.0
    first_of_new: float = 0.0
    error: str = ""


class Client:
    """Watches one move at a time, over two connections that stay open."""

    def __init__(self) -> None:
        self._seen = _Seen()
        self._thread = threading.Thread()

    def watch(self, old: str, new: str) -> None:
        """Ask both from now on, until the new one says yes; returns once the old one has said yes."""
        self._seen, begun = _Seen(), threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(old, new, begun), daemon=True)
        self._thread.start()
        if not begun.wait(ANSWER_S):
            raise TimeoutError(f"{old} did not say that it is active: {self._seen.error or 'no answer'}")

    def gap_ms(self, within_s: float) -> float:
        """For how long nobody said yes. Raises TimeoutError when the new one never did."""
        self._thread.join(within_s)
        if not self._seen.first_of_new:
            raise TimeoutError(f"the client has not met the new active: {self._seen.error or 'it said no'}")
        return (self._seen.first_of_new - self._seen.last_of_old) * 1000

    def _watch(self, old: str, new: str, begun: threading.Event) -> None:
        try:
            with _connection(old) as first, _connection(new) as second:
                while not self._seen.first_of_new:
                    if _says_yes(first, old):
                        self._seen.last_of_old = time.monotonic()
                        begun.set()
                    if _says_yes(second, new):
                        self._seen.first_of_new = time.monotonic()
                    time.sleep(ASK_EVERY_S)
        except OSError as error:
            self._seen.error = str(error)


def _connection(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=ANSWER_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _says_yes(connection: socket.socket, host: str) -> bool:
    """HEAD has no body, so the answer ends with the empty line."""
    connection.sendall(f"HEAD /active HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("ascii"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = connection.recv(4096)
        if not more:
            raise ConnectionError(f"{host} closed the connection")
        answer += more
    return answer.split(b" ", 2)[1] == b"200"
