"""A file -> one frozen `Config`, or every mistake in it at once.

Raises `ConfigError` and nothing else for bad input. Starts, writes and asks nothing.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from config import checks, draft
from config.documents import Document, SyntaxProblemError, parse
from config.files import read_text
from config.models import Config
from config.problems import ConfigError, Finding, KeyPath, Problem, in_file_order

Check = Callable[[draft.Draft], Iterable[Finding]]
"""A check of the caller's own, of what lies outside the file; it gets as much of the file as can be judged."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found: every problem, warnings too, and the config if none is an error."""

    config: Config | None
    problems: tuple[Problem, ...]


def load(path: str | os.PathLike[str], read_secrets: bool = True) -> Config:
    """Read, check and freeze a configuration file; its warnings are in `config.warnings`.

    With `read_secrets=False` references to secrets are only checked for their form.
    Raises ConfigError with all errors.
    """
    examined = examine(path, read_secrets)
    if examined.config is None:
        raise ConfigError(found for found in examined.problems if found.severity == "error")
    return examined.config


def examine(path: str | os.PathLike[str], read_secrets: bool = True, *others: Check) -> Examined:
    """Find everything that is wrong or unwise in a file. Never raises for bad input.

    `others` are asked too: what they find is given its place in the file like everything else.
    """
    file = os.fsdecode(path)
    text = read_text(file)
    if isinstance(text, Problem):
        return Examined(None, (text,))
    return examine_text(text, file, read_secrets, *others)


def examine_text(text: str, file: str, read_secrets: bool = True, *others: Check) -> Examined:
    """Do as `examine` for a text that was read already; `file` is only for the messages."""
    try:
        document = parse(text)
    except SyntaxProblemError as error:
        line, column = error.position
        return Examined(None, (Problem(file, line, column, "", str(error), error.hint),))
    config, findings = _judge(document, {"read_secrets": read_secrets}, others)
    problems = in_file_order(document.positions.problem(file, finding) for finding in findings)
    if config is None or any(problem.severity == "error" for problem in problems):
        return Examined(None, problems)
    config._warnings = problems
    return Examined(config, problems)


def _judge(document: Document, context: object, others: Iterable[Check]) -> tuple[Config | None, list[Finding]]:
    findings = list(document.findings)
    try:
        config = Config.model_validate(document.data, context=context)
    except ValidationError as error:
        from config.explain import findings_of  # only now: a daemon whose file is sound never needs it

        findings += _new(findings_of(error, document.data), findings)
        rest = draft.of_rest(document.data, findings, context)
        return None, findings + _checked(rest, others)
    return config, findings + _checked(draft.of_config(config, context), others)


def _checked(part: draft.Draft, others: Iterable[Check]) -> list[Finding]:
    return [*checks.findings_of(part), *(finding for check in others for finding in check(part))]


def _new(found: list[Finding], known: list[Finding]) -> list[Finding]:
    """Leave out what was said already: a key without a value is not missing as well."""
    told: set[KeyPath] = {finding.path for finding in known}
    return [finding for finding in found if finding.path not in told]
