"""Conversations in, verdicts out, one JSON object a line: the guard on recorded text.

A row is {"id", "messages"}; messages are in Gnomon's form or OpenAI's (parts of text, function calls, `tool_call_id`).
Other keys of a row are ignored, also `expect`: a text under check may not say how it is checked. A key of a *message*
that the guard does not read is refused, because it would pass unseen.
Each row's verdict is that of `conversation.judge`: every message in turn, the most severe counts, suspensions latch.
Fails: closed; a line that cannot be read is denied with its reason and the rest goes on.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from gnomon.charter.policy import Policy
from gnomon.core.errors import DataError
from gnomon.core.types import Json, Message, Role, ToolCall, Transcript, Verdict
from gnomon.guard.compiled import Compiled, compiled
from gnomon.guard.conversation import judge
from gnomon.guard.reading import ROLES
from gnomon.guard.verdicts import denied

MESSAGE_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id", "refusal", "id")


def check(lines: Iterable[str | bytes], *, policy: Policy | Compiled) -> Iterator[dict[str, Json]]:
    """One verdict row for each line that is not blank, in order.

    Raises SettingsError before the first row when the policy cannot be compiled.
    """
    ready = policy if isinstance(policy, Compiled) else compiled(policy)
    for number, line in enumerate(lines, start=1):
        text = line.decode("utf-8", "surrogateescape") if isinstance(line, bytes) else line
        if text.strip("\ufeff \t\r\n"):
            yield _checked(number, text, ready)


def _checked(number: int, line: str, policy: Compiled) -> dict[str, Json]:
    identity: Json = f"line {number}"
    try:
        row = parsed(line, where=f"line {number}")
        given = row.get("id")
        identity = given if isinstance(given, str | int) and not isinstance(given, bool) else identity
        conversation = transcript(row)
    except DataError as error:
        return _row(identity, denied("malformed", str(error)))
    index, verdict = judge(policy, conversation)
    return _row(identity, verdict, f"message {index}: ")


def _row(identity: Json, verdict: Verdict, where: str = "") -> dict[str, Json]:
    return {
        "id": identity,
        "verdict": verdict.action,
        "norm": verdict.norm,
        "rule": verdict.rule,
        "reason": where + verdict.reason if verdict.reason else "",
        "scores": dict(verdict.scores),
    }


def parsed(line: str, *, where: str) -> dict[str, Json]:
    """A line's object. Raises DataError for what two readers could read differently: double keys, NaN."""

    def once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands twice in one object")
        return dict(pairs)

    def constant(name: str) -> Json:
        raise ValueError(f"{name} is not JSON")

    try:
        row = json.loads(line.lstrip("\ufeff"), object_pairs_hook=once, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}); write one object a line") from error
    if not isinstance(row, dict):
        raise DataError(f'{where}: write an object {{"id": …, "messages": […]}}, not {type(row).__name__}')
    return row


def transcript(row: Mapping[str, Json]) -> Transcript:
    """A row's conversation, without what it expects. Raises DataError that names the message."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        raise DataError('a row needs "messages": a list with at least one message')
    called: dict[str, str] = {}
    return Transcript(tuple(_message(index, message, called) for index, message in enumerate(messages)))


def _message(index: int, raw: Json, called: dict[str, str]) -> Message:
    """`called` maps the ids of earlier tool calls to the tools' names, and grows."""
    where = f"message {index}"
    if not isinstance(raw, dict):
        raise DataError(f"{where} is {type(raw).__name__}, not an object")
    for key, value in raw.items():
        if key not in MESSAGE_KEYS and value not in (None, "", [], {}):
            raise DataError(
                f"{where}: the guard does not read {key[:40]!r}, so it may not pass; put its text into content"
            )
    role = "system" if raw.get("role") == "developer" else raw.get("role")
    if role not in ROLES:
        raise DataError(f"{where}: role {str(role)[:40]!r}; write one of {', '.join(ROLES)}")
    calls = tuple(_call(where, call) for call in _listed(where, raw, "tool_calls"))
    called |= {call.id: call.name for call in calls if call.id}
    content = _text(where, raw.get("content"), empty=bool(calls or raw.get("refusal"))) + _string(where, raw, "refusal")
    name = _string(where, raw, "name") or (
        called.get(_string(where, raw, "tool_call_id"), "") if role == "tool" else ""
    )
    return Message(cast(Role, role), content, calls, name)


def _listed(where: str, raw: Mapping[str, Json], key: str) -> list[Json]:
    value = raw.get(key)
    if value is not None and not isinstance(value, list):
        raise DataError(f"{where}: '{key}' must be a list")
    return value or []


def _string(where: str, raw: Mapping[str, Json], key: str) -> str:
    value = raw.get(key)
    if value is not None and not isinstance(value, str):
        raise DataError(f"{where}: '{key}' must be text")
    return value or ""


def _text(where: str, content: Json, *, empty: bool) -> str:
    if isinstance(content, str):
        return content
    if content is None and empty:
        return ""
    if not isinstance(content, list) or not content:
        raise DataError(f"{where}: content must be text or a list of text parts")
    for part in content:
        known = isinstance(part, dict) and set(part) <= {"type", "text", "refusal"}
        if not known or part.get("type") not in ("text", "input_text", "output_text"):
            raise DataError(f"{where}: a part of the content is not text; this guard reads text only")
        if not isinstance(part.get("text"), str) or part.get("refusal"):
            raise DataError(f"{where}: a part of the content has no text")
    return "".join(part["text"] for part in content)


def _call(where: str, raw: Json) -> ToolCall:
    if not isinstance(raw, dict):
        raise DataError(f"{where}: a tool call must be an object")
    body: Any = raw.get("function", raw)
    if not isinstance(body, dict) or not isinstance(body.get("name"), str):
        raise DataError(f"{where}: a tool call has no name")
    unread = (set(raw) | set(body)) - {"id", "type", "index", "function", "name", "arguments", "sources"}
    if unread:
        raise DataError(f"{where}: the guard does not read {min(unread)[:40]!r} of a tool call, so it may not pass")
    arguments = body.get("arguments", {})
    if isinstance(arguments, str):
        arguments = parsed(arguments or "{}", where=f"{where}, arguments of {body['name'][:40]!r}")
    if not isinstance(arguments, dict):
        raise DataError(f"{where}: the arguments of {body['name'][:40]!r} must be an object")
    sources = body.get("sources") or raw.get("sources") or {}
    if not isinstance(sources, dict) or not all(_indices(v) for v in sources.values()):
        raise DataError(f"{where}: 'sources' maps an argument to a list of message numbers")
    given = {name: tuple(indices) for name, indices in sources.items()}
    return ToolCall(name=body["name"], arguments=arguments, sources=given, id=_string(where, raw, "id"))


def _indices(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(i, int) and not isinstance(i, bool) for i in value)
