"""Problem details (RFC 9457) for every answer that is not the one asked for.

Says what happened and what to do next, in plain words; never shows a traceback or a library's own terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from failover.ports.controller import OrderRefused

MEDIA_TYPE = "application/problem+json"
_NEXT = {
    HTTPStatus.NOT_FOUND: "look at /docs for what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: "use one of the methods in the Allow header; /docs lists them",
}


class ProblemError(Exception):
    """An answer that is not the one asked for. `kind` ends its `type`; `next_step` says what to do."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        next_step: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.next_step = next_step
        self.headers = headers
        self.more = dict(more or {})


def answer(problem: ProblemError, instance: str) -> Response:
    """The problem as a response; `instance` is the path that was asked."""
    body: dict[str, Any] = {
        "type": f"urn:failoverd:{problem.kind}" if problem.kind else "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
    }
    if problem.next_step:
        body["next"] = problem.next_step
    body.update(problem.more)
    return JSONResponse(body, problem.status, dict(problem.headers or {}), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let every kind of failure be answered as a problem; what nobody foresaw is answered by `Envelope`."""
    app.add_exception_handler(ProblemError, _given)
    app.add_exception_handler(OrderRefused, _refused)
    app.add_exception_handler(HTTPException, _plain)


async def _given(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return answer(error, request.url.path)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, OrderRefused):
        raise error
    status = error.status if error.status in _STATUSES else HTTPStatus.CONFLICT
    problem = ProblemError(status, "order-refused", str(error), more={"check": error.check})
    return answer(problem, request.url.path)


def unacceptable(errors: Any, expected: Mapping[str, str]) -> ProblemError:
    """Word a request that does not fit, by field. `expected` tells what each field should be."""
    fields = [_field(entry, expected) for entry in errors]
    detail = "; ".join(f"{field['field']}: {field['problem']}, expected {field['expected']}" for field in fields)
    return ProblemError(422, "not-acceptable", detail, more={"fields": fields})


def _field(entry: Mapping[str, Any], expected: Mapping[str, str]) -> dict[str, str]:
    place = [str(part) for part in entry.get("loc", ())]
    name = place[1] if len(place) > 1 else "body"
    kind = str(entry.get("type", ""))
    if kind == "extra_forbidden":
        known = ", ".join(expected) or "no field at all"
        return {"field": name[:80], "problem": "is not known", "expected": f"one of {known}"}
    if name == "body" or name not in expected:
        return {"field": name[:80], "problem": "cannot be used", "expected": _whole(expected)}
    problem = "is missing" if kind == "missing" else "cannot be used"
    return {"field": name, "problem": problem, "expected": expected[name]}


def _whole(expected: Mapping[str, str]) -> str:
    known = f" with the fields {', '.join(expected)}" if expected else ""
    return f"a JSON object{known} (Content-Type: application/json)"


async def _plain(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    asked = f"{request.method} {request.url.path}"
    detail = {
        HTTPStatus.NOT_FOUND: f"there is nothing at {request.url.path}",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{asked} is not possible",
    }.get(status, f"{asked} cannot be answered")
    problem = ProblemError(status, "", detail, _NEXT.get(status, ""), headers=error.headers)
    return answer(problem, request.url.path)


def fault() -> ProblemError:
    """The program is wrong; the caller learns no more than that."""
    detail = "the controller failed to answer; this is a fault in failoverd itself"
    return ProblemError(500, "fault", detail, "look at the controller's log and report it")


_STATUSES = frozenset(int(status) for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)
