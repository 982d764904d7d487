"""Models that are built when they are first used: those that describe FastAPI's /docs cost a megabyte, and few look.

Knows nothing of what the models are. Source: pydantic's `defer_build`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def models_built_when_used() -> Iterator[None]:
    """What is imported inside builds its models' validators when they are first used."""
    from pydantic import BaseModel, ConfigDict

    usual = BaseModel.model_config
    BaseModel.model_config = ConfigDict(defer_build=True)
    try:
        yield
    finally:
        BaseModel.model_config = usual
