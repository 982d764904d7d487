"""Compare-and-set of the control record, which is never written over one that cannot be read.

Deliberately unknown here: what the orders in it mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kazoo.exceptions import BadVersionError, NoNodeError

from failover.core.events import WriteOutcome
from failover.core.values import Control
from failover.ports.store import ControlWritten
from failover.stores.codec import RecordError, encode_control
from failover.stores.zookeeper.client import SessionClient
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.replies import answered, control_in, words

Answer = Callable[[ControlWritten], None]


def write_control(client: SessionClient, paths: Paths, control: Control, answer: Answer) -> None:
    """Read first: the record under that version must be one that we can read."""
    try:
        data = encode_control(control)
    except RecordError as error:
        answer(ControlWritten(WriteOutcome.UNKNOWN, detail=str(error)))
        return
    read = client.get_async(paths.control)

    def judged(_: Any) -> None:
        if not answered(read):
            answer(ControlWritten(WriteOutcome.UNKNOWN, detail=words(read.exception)))
            return
        found = control_in(paths.control, read)
        if found.error or found.version != control.version:
            why = found.error or "the control record was changed meanwhile"
            answer(ControlWritten(WriteOutcome.CONFLICT, found, why))
            return
        _write(client, paths, control, data, answer)

    read.rawlink(judged)


def _write(client: SessionClient, paths: Paths, control: Control, data: bytes, answer: Answer) -> None:
    written = client.set_async(paths.control, data, control.version)
    fresh = client.get_async(paths.control)

    def done(_: Any) -> None:
        if written.exception is None:
            now = replace(control, version=written.value.version)
            answer(ControlWritten(WriteOutcome.DONE, now))
        elif isinstance(written.exception, BadVersionError | NoNodeError) and answered(fresh):
            found = control_in(paths.control, fresh)
            answer(ControlWritten(WriteOutcome.CONFLICT, found, words(written.exception)))
        else:
            answer(ControlWritten(WriteOutcome.UNKNOWN, detail=words(written.exception)))

    fresh.rawlink(done)
