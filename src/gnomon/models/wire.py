"""Chat completions as bytes: what is sent for a conversation, and what a reply's bytes say.

It opens no connection. What a model wrote wrongly into a tool call is the model's reply and is kept as text.
Source: OpenAI API reference, "Create chat completion"; RFC 9110 section 10.2.3 (Retry-After).
Units: tokens as the endpoint reports them.
Fails: closed; bytes that are not a chat completion are a Failure, never an empty reply.
"""

import datetime
import email.utils
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gnomon.core.protocols import Sampling
from gnomon.core.types import Json, Message, ToolCall
from gnomon.models.recalled import recalled

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same request may well be answered."""
SLOWER = frozenset({429, 503, 529})
"""Statuses by which a server says that it is asked too much."""
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one conversation."""

    message: Message
    tokens_in: int
    tokens_out: int
    counted: bool = True
    """Whether the endpoint counted the tokens; else they are guessed."""
    top: tuple[tuple[str, float], ...] = ()
    """The likeliest first tokens and their log-probabilities in nats, where they were asked for and given."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing came back."""

    what: str
    again: bool = False
    """Whether the same request may succeed later."""
    wait: float | None = None
    """Seconds that the server asked for."""
    slower: bool = False
    """The server is asked too much."""
    hung: bool = False
    fatal: bool = False
    """No other request will do better: a wrong key, name or address."""


def body(model: str, messages: Sequence[Message], sampling: Sampling, seed: int, top: int = 0) -> bytes:
    """The request for one reply; `top` asks for so many of the likeliest first tokens."""
    return _encode(
        {
            "model": model,
            "messages": [_plain(m) for m in recalled(messages)],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed % 2**31,
            **({"logprobs": True, "top_logprobs": top} if top else {}),
        }
    )


def estimate(messages: Sequence[Message], sampling: Sampling) -> tuple[int, int]:
    """About how many tokens go in and may come out, before anyone counted: four characters a token."""
    return sum(len(m.content) for m in messages) // 4 + 4 * len(messages), sampling.max_new_tokens


def read(data: bytes, guess: tuple[int, int]) -> Reply | Failure:
    """A reply's bytes with status 200; `guess` stands for the tokens if the endpoint does not count them."""
    try:
        parsed = _decode(data)
        usage = parsed.get("usage") or {}
        choice = parsed["choices"][0]
        message = _message(choice["message"])
        into, out, counted = _tokens(usage, guess, message)
        return Reply(message, into, out, counted, _top(choice.get("logprobs")))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return Failure(f"not a chat completion: {data[:200].decode(errors='replace')!r}", again=True)


def refused(status: int, headers: Mapping[str, str], data: bytes) -> Failure:
    """A reply with another status."""
    said = " ".join(data[:2000].decode(errors="replace").split())[:200]
    hint = "; check the API key" if status in (401, 403) else ""
    return Failure(
        f"status {status} ({said}){hint}",
        again=status in AGAIN,
        wait=retry_after(headers),
        slower=status in SLOWER,
        fatal=status in (401, 404),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a reply asks to wait, written as a number or as a date."""
    raw = headers.get("Retry-After", "").strip()
    if not raw:
        return None
    try:
        seconds = float(raw)
        return max(0.0, seconds) if seconds == seconds else None
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(raw)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - datetime.datetime.now(datetime.UTC)).total_seconds())


def _top(given: Any) -> tuple[tuple[str, float], ...]:
    first = ((given or {}).get("content") or [{}])[0]
    return tuple((str(t["token"]), float(t["logprob"])) for t in first.get("top_logprobs") or ())


def _tokens(usage: Mapping[str, Any], guess: tuple[int, int], message: Message) -> tuple[int, int, bool]:
    total = int(usage.get("total_tokens") or 0)
    into, out = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    if into + out:
        return into, out, True
    if total:  # not divided: the dearer side is the safe one
        return 0, total, True
    return guess[0], len(message.content) // 4 + 1, False


def _plain(message: Message) -> dict[str, Json]:
    plain: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.role == "tool":
        plain["tool_call_id"] = message.name
    if message.tool_calls:
        plain["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": json.dumps(dict(c.arguments))}}
            for c in message.tool_calls
        ]
    return plain


def _message(data: Mapping[str, Any]) -> Message:
    calls = []
    for call in data.get("tool_calls") or ():
        arguments = _arguments(call["function"]["arguments"] or "{}")
        calls.append(ToolCall(name=call["function"]["name"], arguments=arguments, id=str(call.get("id") or "")))
    content = data["content"] if not calls else data.get("content")
    if content is not None and not isinstance(content, str):
        raise ValueError("content must be text")
    return Message("assistant", content or "", tuple(calls))


def _arguments(text: str) -> dict[str, Json]:
    # What a model wrote wrongly is the model's reply, not a fault of the endpoint.
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    return data if isinstance(data, dict) else {"unparsed": text}
