"""What a request brings: read and checked when it comes, and described for /docs.

FastAPI would do that by the parameters of the endpoints. But for the first of them it loads the whole of pydantic's
version 1, and it builds all their validators at start: 1.5 MB that an idle controller does not need. Knows no endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from failover.api.access import Access, Caller, authorize
from failover.api.front import Front
from failover.api.problems import unacceptable

LONGEST_NAME = 64
NODE = f"the name of a node (text, at most {LONGEST_NAME} characters)"
_REF = "#/components/schemas/{model}"
_MISFIT = {"responses": {"422": {"description": "Validation Error"}}}


class Order(BaseModel):
    """An order's body. Each field's description words for people what it takes."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=False)


Form = TypeVar("Form", bound=Order)


def let_in(front: Front, least: Access) -> Callable[[Request], Caller]:
    """The dependency that lets a caller in; who is not let in learns nothing about the body."""

    async def enter(request: Request) -> Caller:
        caller = authorize(request, front.tokens, least)
        front.fresh()
        return caller

    return Depends(enter)  # type: ignore[no-any-return]


async def read(request: Request, form: type[Form]) -> Form:
    """The body. Raises ProblemError 422 when it does not fit."""
    given = await read_if_any(request, form)
    if given is None:
        raise unacceptable([{"loc": ("body",)}], _expected(form))
    return given


async def read_if_any(request: Request, form: type[Form]) -> Form | None:
    """The body, or None when there is none. Raises ProblemError 422 when it does not fit."""
    if not await request.body():
        return None
    try:
        content = await request.json() if _is_json(request) else ""
        return None if content is None else form.model_validate(content)
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)
        found: Iterable[Mapping[str, Any]] = [{**one, "loc": ("body", *one["loc"])} for one in told]
    except (ValueError, RecursionError):  # no JSON, not UTF-8, nested too deep
        found = [{"loc": ("body",)}]
    raise unacceptable(found, _expected(form))


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _expected(form: type[Order]) -> dict[str, str]:
    return {field.alias or name: field.description or "" for name, field in form.model_fields.items()}


def node_of(request: Request) -> str:
    """The node that the path names. Raises ProblemError 422 when it cannot be a name."""
    node = str(request.path_params["node"])
    if len(node) > LONGEST_NAME:
        raise unacceptable([{"loc": ("path", "node")}], {"node": NODE})
    return node


# --- for /docs


def takes(form: type[Order], required: bool = True) -> dict[str, Any]:
    """The body's description, for `openapi_extra`; `schemas_of` must get the form too."""
    schema: dict[str, Any] = {"$ref": _REF.format(model=form.__name__)}
    if required:
        return {**_MISFIT, "requestBody": {"content": {"application/json": {"schema": schema}}, "required": True}}
    schema = {"anyOf": [schema, {"type": "null"}]}
    return {**_MISFIT, "requestBody": {"content": {"application/json": {"schema": schema}}}}


def parameter(name: str, place: str, description: str = "", **schema: Any) -> dict[str, Any]:
    """A parameter's description, for `openapi_extra`. `place`: path or query; `schema`: what its text must be."""
    told = {"description": description} if description else {}
    about = {"name": name, "in": place, "required": place == "path", "schema": {"type": "string", **schema}, **told}
    return {**_MISFIT, "parameters": [about]}


def schemas_of(forms: Iterable[type[Order]]) -> dict[str, Any]:
    """What `takes` refers to."""
    return {form.__name__: form.model_json_schema(ref_template=_REF) for form in forms}
