"""Asking every probe once: is anything of the service up?"""

import asyncio
import os
from pathlib import Path

from healthcheck import Timing
from healthcheck.once import find_up
from healthcheck.process import ProcessProbe
from healthcheck.search import PidfileSearch
from healthcheck.tcp import TcpProbe
from tests.servers.ports import free_port

TIMING = Timing(1.0, 0.5, 1, 2)


def test_nothing_is_up_where_no_port_answers_and_no_process_is_there(tmp_path: Path) -> None:
    async def story() -> str:
        gone = ProcessProbe(PidfileSearch(tmp_path / "pid"), TIMING)
        return await find_up([TcpProbe("127.0.0.1", free_port(), TIMING), gone])

    assert asyncio.run(story()) == ""


def test_a_process_that_is_there_is_up_although_its_port_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))

    async def story() -> str:
        there = ProcessProbe(PidfileSearch(tmp_path / "pid"), TIMING)
        return await find_up([TcpProbe("127.0.0.1", free_port(), TIMING), there])

    assert asyncio.run(story()).startswith("process ")
