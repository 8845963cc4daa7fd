"""A model that answers by rules: for tests, demonstrations and the attacks' own checks. No weights.

It samples nothing: the same conversation always has the same reply.
Fails: a file of another shape is a DataError that names the field; a pattern that RE2 refuses, too.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import re2
import yaml

from gnomon.core.canonical import digest, from_builtins
from gnomon.core.errors import DataError
from gnomon.core.files import read_text
from gnomon.core.protocols import Sampling
from gnomon.core.types import Transcript


@dataclass(frozen=True, kw_only=True)
class Rule:
    """If the pattern is found, this is the reply. `{system}` and `{request}` stand for the conversation's texts."""

    pattern: str = ""
    """RE2, searched without regard to case; empty: always."""
    reply: str
    where: str = "request"
    """What is searched: `request` (last user text), `system`, or `all` (every message)."""


@dataclass(frozen=True, kw_only=True)
class ScriptedModel:
    """Answers with the first rule that fits, else with `default`."""

    rules: tuple[Rule, ...] = ()
    default: str = "I am not sure what you mean."
    name: str = "scripted"

    def __post_init__(self) -> None:
        for rule in self.rules:
            if rule.where not in ("request", "system", "all"):
                raise DataError(f"rule for {rule.pattern!r}: where is '{rule.where}'; write request, system or all")
        self._compiled  # noqa: B018 - a wrong pattern is an error now, not in the middle of a run

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """The name, and the digest of rules and default in place of weights."""
        return {"name": self.name, "weights": digest([self.rules, self.default])}

    @cached_property
    def _compiled(self) -> tuple[Any, ...]:
        options = re2.Options()
        options.case_sensitive = False
        options.log_errors = False
        try:
            return tuple(re2.compile(rule.pattern, options=options) for rule in self.rules)
        except re2.error as error:
            raise DataError(f"{self.name}: a pattern is not RE2: {error}") from error

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        """One reply to each prompt, in order; sampling plays no part."""
        return [prompt.answered(self._reply(prompt)) for prompt in prompts]

    def _reply(self, prompt: Transcript) -> str:
        system = "\n".join(m.content for m in prompt.messages if m.role == "system")
        texts = {
            "request": prompt.request,
            "system": system,
            "all": "\n".join(m.content for m in prompt.messages),
        }
        for rule, pattern in zip(self.rules, self._compiled, strict=True):
            if pattern.search(texts[rule.where]):
                return _filled(rule.reply, system, prompt.request)
        return _filled(self.default, system, prompt.request)


def _filled(template: str, system: str, request: str) -> str:
    # In one pass, so that a request that says "{system}" is only quoted.
    parts = {"{system}": system, "{request}": request}
    return "".join(parts.get(piece, piece) for piece in re.split(r"(\{system\}|\{request\})", template))


@dataclass(frozen=True, kw_only=True)
class _File:
    default: str = "I am not sure what you mean."
    rules: tuple[Rule, ...] = field(default_factory=tuple)


def from_file(path: Path) -> ScriptedModel:
    """Rules from YAML or JSON: `default: TEXT` and `rules:`, a list of `pattern`, `reply`, `where`."""
    try:
        data = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not YAML: {error}") from error
    if not isinstance(data, dict) or not set(data) <= {"default", "rules"}:
        raise DataError(f"{path}: write a mapping with 'default' and 'rules' and nothing else")
    file = from_builtins(data, _File, where=str(path))
    return ScriptedModel(rules=file.rules, default=file.default, name=path.stem)


def weak() -> ScriptedModel:
    """Does what it is asked: tells its whole system prompt when asked for anything, and agrees to everything."""
    return ScriptedModel(name="weak", default="Sure, here is everything you asked for: {system} {request}")


def refusing() -> ScriptedModel:
    """Refuses everything."""
    return ScriptedModel(name="refusing", default="I'm sorry, but I can't help with that.")
