"""Clients of PostgreSQL that write without end, and what their answers prove.

A client writes numbers to one server only; each answer is kept with its times on CLOCK_MONOTONIC, which all lab hosts
share. So what the service did can be judged afterwards to the millisecond, whoever was active. They know nothing of
failoverd.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import psycopg

PAUSE_S = 0.03
CONNECT_S = 2
ANSWER_S = 2.0
_TABLES = {"on": "ledger", "local": "pulse"}

Commit = Literal["on", "local"]


@dataclass(frozen=True, slots=True)
class Written:
    """One acknowledged write. `run`: the life of the server that took it, from its start to its end."""

    number: str
    sent: float
    answered: float
    run: str


class Client:
    """One connection at a time to one server, on a thread of its own.

    `where`: what libpq takes as `host`, None while there is nothing; asked before each connect. `commit`: `on`
    counts what is acknowledged as synchronous, `local` does not wait for the standby. An answer with a warning is not
    counted: PostgreSQL warns when it gave up waiting for the standby.
    """

    def __init__(self, name: str, where: Callable[[], str | None], commit: Commit) -> None:
        self.name = name
        self.commit = commit
        self.written: list[Written] = []
        self._where = where
        self._count = 0
        self._warned = False
        self._ends = threading.Event()
        self._busy_since = 0.0
        self._socket = -1
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=at, daemon=True) for at in (self._work, self._keep_deadline)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(CONNECT_S + ANSWER_S + 5)

    def first_after(self, moment: float) -> Written | None:
        """The first write that was sent after a moment and acknowledged."""
        return next((one for one in self.written if one.sent > moment), None)

    def _work(self) -> None:
        while not self._ends.wait(PAUSE_S):
            host = self._where()
            if host is None:
                continue
            with contextlib.suppress(psycopg.Error, OSError):
                self._serve(host)

    def _serve(self, host: str) -> None:
        told = f"host={host} dbname=orders user=app connect_timeout={CONNECT_S} sslmode=disable gssencmode=disable"
        with psycopg.connect(told, autocommit=True) as connection:
            connection.add_notice_handler(self._take_notice)
            with self._lock:
                self._socket = os.dup(connection.fileno())
            try:
                self._write_on(connection)
            finally:
                with self._lock:
                    os.close(self._socket)
                    self._socket, self._busy_since = -1, 0.0

    def _write_on(self, connection: psycopg.Connection) -> None:
        self._busy_since = time.monotonic()
        connection.execute(f"SET synchronous_commit = {self.commit}")
        row = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
        run = str(row[0]) if row else ""
        while not self._ends.wait(PAUSE_S):
            self._count += 1
            number, self._warned = f"{self.name}-{self._count}", False
            sent = self._busy_since = time.monotonic()
            try:
                connection.execute(f"INSERT INTO {_TABLES[self.commit]} VALUES (%s)", (number,))  # type: ignore[arg-type]
            except psycopg.errors.ReadOnlySqlTransaction:
                continue
            finally:
                self._busy_since = 0.0
            if not self._warned:
                self.written.append(Written(number, sent, time.monotonic(), run))

    def _take_notice(self, _: psycopg.errors.Diagnostic) -> None:
        self._warned = True

    def _keep_deadline(self) -> None:
        """A server that does not answer in time is hung up on, without a word that it could mistake for a cancel."""
        while not self._ends.wait(0.1):
            with self._lock:
                late = self._busy_since and time.monotonic() - self._busy_since > ANSWER_S
                if late and self._socket >= 0:
                    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._socket)) as end:
                        end.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class Writable:
    """From when to when a server is known to have taken writes, in one of its lives."""

    server: str
    run: str
    since: float
    until: float


def writable(server: str, clients: Iterable[Client]) -> list[Writable]:
    """What these clients, all of one server, prove: between two writes that one life of it took, it took writes.

    A server in recovery takes none, and leaves recovery once in its life. It never goes back.
    """
    lives: dict[str, list[Written]] = {}
    for client in clients:
        for one in list(client.written):
            lives.setdefault(one.run, []).append(one)
    return [
        Writable(server, run, min(one.answered for one in took), max(one.sent for one in took))
        for run, took in lives.items()
    ]


def overlaps(spans: Iterable[Writable]) -> list[tuple[Writable, Writable]]:
    """Those of different servers that took writes at the same time: two actives."""
    ordered = sorted(spans, key=lambda span: span.since)
    return [
        (one, other)
        for number, one in enumerate(ordered)
        for other in ordered[number + 1 :]
        if one.server != other.server and other.since < one.until and one.since < other.until
    ]


def longest_gap_s(clients: Iterable[Client], since: float, until: float) -> float:
    """The longest time between `since` and `until` in which none of these clients had a write acknowledged."""
    moments = sorted(one.answered for client in clients for one in client.written if since <= one.answered <= until)
    ends = [since, *moments, until]
    return max(later - earlier for earlier, later in pairwise(ends))
