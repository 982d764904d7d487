"""Asking every probe once: is anything of the service up?"""

import asyncio
import os
from pathlib import Path

from failover.ports.service import Sight
from healthcheck import Timing
from healthcheck.once import look
from healthcheck.process import ProcessProbe
from healthcheck.search import PidfileSearch
from healthcheck.tcp import TcpProbe
from tests.servers.ports import free_port

TIMING = Timing(1.0, 0.5, 1, 2)


def test_nothing_is_up_where_no_port_answers_and_no_process_is_there(tmp_path: Path) -> None:
    async def story() -> Sight:
        gone = ProcessProbe(PidfileSearch(tmp_path / "pid"), TIMING)
        return await look([TcpProbe("127.0.0.1", free_port(), TIMING), gone])

    assert asyncio.run(story()) == Sight("", absent=True)


def test_a_process_that_is_there_is_up_although_its_port_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))

    async def story() -> Sight:
        there = ProcessProbe(PidfileSearch(tmp_path / "pid"), TIMING)
        return await look([TcpProbe("127.0.0.1", free_port(), TIMING), there])

    sight = asyncio.run(story())
    assert sight.up.startswith("process ")
    assert not sight.absent


def test_a_port_that_does_not_answer_does_not_tell_that_there_is_no_process() -> None:
    async def story() -> Sight:
        return await look([TcpProbe("127.0.0.1", free_port(), TIMING)])

    assert asyncio.run(story()) == Sight("", absent=False)
