"""Any OpenAI-compatible /chat/completions endpoint as a Model: vLLM, SGLang, llama.cpp, or a company's.

Requests go out side by side up to a limit, are tried again where that can help, and stop at a stated budget. It does
not stream, cache, or read the environment: the caller passes the key, which no message or identity repeats.
Replies are kept only when the whole call ends well; executors therefore ask for few conversations at a time.
Source: OpenAI API reference, "Create chat completion"; RFC 9110 section 10.2.3 (Retry-After).
Fails: no answer in time, a refusal, or a broken answer is an EndpointError; the budget's end is a BudgetSpent.
"""

import asyncio
import concurrent.futures
import datetime
import email.utils
import json
import random
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import aiohttp

from gnomon.core import seeds
from gnomon.core.errors import BudgetSpent, EndpointError, SettingsError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Json, Message, ToolCall, Transcript

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same request may well be answered."""


@dataclass
class Spent:
    """What an endpoint has been asked for so far; shared by all calls of one model."""

    requests: int = 0
    tokens: int = 0
    """As the endpoint reports them: prompts and replies."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """A remote model."""

    url: str
    """Up to and without /chat/completions, for example http://127.0.0.1:8000/v1."""
    model: str
    api_key: str = field(default="", repr=False)
    concurrency: int = 16
    """Most requests under way at once."""
    seconds: float = 120.0
    """After which one request is given up."""
    tries: int = 5
    """Times that one request is sent before its failure counts."""
    pause: float = 0.5
    """Seconds before the second try; doubled each time, with jitter; Retry-After wins, up to `longest_pause`."""
    longest_pause: float = 60.0
    max_requests: int | None = None
    """Budget over the life of this object; tries count one by one."""
    max_tokens: int | None = None
    """Budget of tokens as the endpoint reports them."""
    spent: Spent = field(default_factory=Spent, repr=False)

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.tries < 1 or self.seconds <= 0:
            raise SettingsError("an endpoint needs concurrency >= 1, tries >= 1 and seconds > 0")

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """The name at the endpoint, and the address; what stands behind it can't be known from here."""
        return {"name": self.model, "endpoint": self.url}

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        """One reply to each prompt, in order. Works inside a running event loop, too."""
        if not prompts:
            return []
        return _run(self._all(prompts, sampling))

    async def _all(self, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        gate = asyncio.Semaphore(self.concurrency)
        limits = aiohttp.ClientTimeout(total=self.seconds)
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        seen: Counter[str] = Counter()
        asked = []
        for prompt in prompts:
            # Copies of one prompt ask for different seeds, as local models draw from different streams.
            asked.append((prompt, seeds.stream(sampling.seed, prompt.id, seen[prompt.id])))
            seen[prompt.id] += 1
        async with aiohttp.ClientSession(timeout=limits, headers=headers) as session:
            tasks = [asyncio.create_task(self._one(session, gate, p, sampling, s)) for p, s in asked]
            try:
                return list(await asyncio.gather(*tasks))
            except BaseException:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                raise

    async def _one(
        self, session: aiohttp.ClientSession, gate: asyncio.Semaphore, prompt: Transcript, sampling: Sampling, seed: int
    ) -> Transcript:
        body = {
            "model": self.model,
            "messages": [_plain(m) for m in prompt.messages],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed % 2**31,
        }
        jitter = random.Random(seed)  # noqa: S311 - spreads retries, guards nothing
        async with gate:
            for attempt in range(1, self.tries + 1):
                self._charge()
                outcome = await self._send(session, body)
                if isinstance(outcome, Message):
                    return Transcript((*prompt.messages, outcome), prompt.expect)
                if not outcome.again or attempt == self.tries:
                    tried = f" after {attempt} tries" if attempt > 1 else ""
                    raise EndpointError(f"{self.url} gave no reply{tried}: {outcome.what}")
                backoff = self.pause * 2 ** (attempt - 1) * (0.5 + jitter.random())
                await asyncio.sleep(min(backoff if outcome.wait is None else outcome.wait, self.longest_pause))
        raise AssertionError("unreachable: the last try returns or raises")

    def _charge(self) -> None:
        for name, used, most in (
            ("requests", self.spent.requests, self.max_requests),
            ("tokens", self.spent.tokens, self.max_tokens),
        ):
            if most is not None and used >= most:
                raise BudgetSpent(
                    f"the budget of {most} {name} for {self.url} is used up; what was finished before this call is "
                    f"kept: raise the budget and run the same command again"
                )
        self.spent.requests += 1

    async def _send(self, session: aiohttp.ClientSession, body: Json) -> "Message | _Failure":
        try:
            async with session.post(f"{self.url}/chat/completions", json=body) as response:
                text = await response.text(errors="replace")
                status, headers = response.status, response.headers
        except TimeoutError:
            # Not tried again: a server that is too slow for one request is not helped by a second.
            more = "is it running? Allow more seconds, or lower the concurrency"
            return _Failure(f"no answer within {self.seconds:g} seconds; {more}", again=False)
        except aiohttp.InvalidURL as error:
            return _Failure(f"not a valid address ({error})", again=False)
        except aiohttp.ClientError as error:
            return _Failure(f"{type(error).__name__}: {error}", again=True)
        if status != 200:
            said = " ".join(text.split())[:200]
            hint = "; check the API key" if status in (401, 403) else ""
            return _Failure(f"status {status} ({said}){hint}", again=status in AGAIN, wait=_retry_after(headers))
        return self._read(text)

    def _read(self, text: str) -> "Message | _Failure":
        try:
            data = json.loads(text)
            usage = data.get("usage") or {}
            self.spent.tokens += int(usage.get("total_tokens") or 0)
            return _message(data["choices"][0]["message"])
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return _Failure(f"not a chat completion: {text[:200]!r}", again=True)


@dataclass(frozen=True)
class _Failure:
    what: str
    again: bool
    wait: float | None = None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    raw = headers.get("Retry-After", "").strip()
    if not raw:
        return None
    try:
        return max(0.0, float(raw))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(raw)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - datetime.datetime.now(datetime.UTC)).total_seconds())


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


def _run(work: Coroutine[Any, Any, list[Transcript]]) -> list[Transcript]:
    """Run to the end in this thread, or in one of its own if this one already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="gnomon-endpoint") as other:
        return other.submit(asyncio.run, work).result()
