"""Watches every controller of the service until it is told to end: hears each, looks for new ones, shows it all."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from failover.cli.watching.screens import Screen
from failover.cli.watching.sight import Sight, View
from failover.cli.watching.streams import Place, cluster_of, follow

LOOK_S = 2.0
SHOW_S = 1.0
MOST_WATCHED = 64


class Watch:
    """`home`: the controller that was asked for; `cluster`: what it said of the whole service."""

    def __init__(self, home: Place, cluster: View, screen: Screen, now_s: Callable[[], float] = time.monotonic) -> None:
        self._home = home
        self._home_name = str(cluster["seen_by"])
        self._screen = screen
        self._now_s = now_s
        self._sight = Sight(cluster, now_s())
        self._following: dict[str, asyncio.Task[None]] = {}
        self._places: dict[str, Place] = {}
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Until SIGINT or SIGTERM; what was begun has ended then."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ended.set)
        background = [asyncio.create_task(work()) for work in (self._look, self._show)]
        waiting = asyncio.create_task(self._ended.wait())
        try:
            with self._screen:
                self._add_all(self._sight.cluster)
                await asyncio.wait({waiting, *background}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end([waiting, *background, *self._following.values()])

    def _add_all(self, cluster: View) -> None:
        self._add(self._home_name, self._home)
        for member in cluster["members"]:
            if member["node"] != self._home_name and member["address"]:
                self._add(member["node"], self._home.peer(member["address"]))

    def _add(self, name: str, place: Place) -> None:
        address = str(place.socket_path or place.url)
        if len(self._following) >= MOST_WATCHED or not self._sight.add(name, address):
            return
        if name in self._following:  # it has another address now
            self._following[name].cancel()
        self._places[name] = place
        following = self._following[name] = asyncio.create_task(follow(place, partial(self._hear, name)))
        following.add_done_callback(self._follow_ended)
        self._screen.event(_wall(), name, "found", {"address": address})

    def _hear(self, name: str, event: str, data: View) -> None:
        now_s = self._now_s()
        if self._sight.heard(name, event, data, now_s):
            self._screen.event(_wall(), name, event, data)
            self._screen.show(self._sight, now_s)

    def _follow_ended(self, task: asyncio.Task[None]) -> None:
        """It has no end of its own: if it was not called off, there is a fault, and `_end` tells it."""
        if not task.cancelled():
            self._ended.set()

    async def _look(self) -> None:
        """Whoever answers says who is there: the one that was asked for first, then the others."""
        while True:
            await asyncio.sleep(LOOK_S)
            for place in list(self._places.values()):
                cluster = await cluster_of(place)
                if cluster is not None:
                    self._sight.looked(cluster, self._now_s())
                    self._add_all(cluster)
                    break

    async def _show(self) -> None:
        """Ages grow by themselves."""
        while True:
            self._screen.show(self._sight, self._now_s())
            await asyncio.sleep(SHOW_S)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome  # a fault of our own: the outermost frame says so


def _wall() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
