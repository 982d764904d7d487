"""`kind: http`: the service is well when a GET is answered with an expected status."""

from __future__ import annotations

import ssl
from collections.abc import Collection

from failover.core.values import Health
from failover.ports.service import Finding
from failover.support.http import HttpError, request
from healthcheck.asking import AskingProbe
from healthcheck.timing import Timing


class HttpProbe(AskingProbe):
    """GETs `url`; certificates are verified against the host's authorities."""

    def __init__(self, url: str, statuses: Collection[int], timing: Timing) -> None:
        super().__init__(f"http {url}", timing)
        self._url = url
        self._statuses = frozenset(statuses)
        self._tls = ssl.create_default_context() if url.lower().startswith("https:") else None

    async def check(self) -> Finding:
        """Another status than expected: the service said that it is UNHEALTHY."""
        try:
            answer = await request("GET", self._url, tls=self._tls, body_limit=0)
        except HttpError as error:
            return Finding(Health.NOT_RESPONDING, str(error))
        health = Health.HEALTHY if answer.status in self._statuses else Health.UNHEALTHY
        return Finding(health, f"status {answer.status}")
