"""Any OpenAI-compatible /chat/completions endpoint as a Model: vLLM, SGLang, llama.cpp, or a company's.

Requests go out side by side up to a limit, are tried again where that can help, and stop at a stated budget. It does
not stream, cache, or read the environment: the caller passes the key, which no message or identity repeats.
`generate` keeps replies only when the whole call ends well; `evaluation.runner` keeps each one as it comes.
Source: OpenAI API reference, "Create chat completion".
Units: seconds, tokens; prices for a million tokens, in any one currency.
Fails: no answer in time, a refusal, or a broken answer is an EndpointError; the budget's end is a BudgetSpent.
"""

import asyncio
import concurrent.futures
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from gnomon.core import seeds
from gnomon.core.errors import EndpointError, SettingsError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Transcript
from gnomon.models.client import Client
from gnomon.models.pace import Pace
from gnomon.models.wire import Failure

T = TypeVar("T")


@dataclass
class Spent:
    """What an endpoint has been asked for so far; shared by all calls of one model."""

    requests: int = 0
    tokens: int = 0
    """Prompts and replies as the endpoint reports them, else four characters a token."""
    cost: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """A remote model."""

    url: str
    """Up to and without /chat/completions, for example http://127.0.0.1:8000/v1."""
    model: str
    api_key: str = field(default="", repr=False)
    concurrency: int = 16
    """Most requests under way at once; fewer while the server says that it is asked too much."""
    seconds: float = 120.0
    """After which one request is given up."""
    tries: int = 5
    """Times that one request is sent before its failure counts."""
    hangs: int = 1
    """Times that one request may go without an answer in time before its failure counts."""
    pause: float = 0.5
    """Seconds before the second try; doubled each time, with jitter; Retry-After wins, up to `longest_pause`."""
    longest_pause: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_requests: int | None = None
    """Budget over the life of this object; tries count one by one."""
    max_tokens: int | None = None
    """Budget of tokens as the endpoint reports them."""
    max_cost: float | None = None
    """Budget of money, by the two prices."""
    price_in: float = 0.0
    """Of a million tokens that are sent."""
    price_out: float = 0.0
    """Of a million tokens that come back."""
    spent: Spent = field(default_factory=Spent, repr=False)

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.tries < 1 or self.hangs < 1 or self.seconds <= 0:
            raise SettingsError("an endpoint needs concurrency >= 1, tries >= 1, hangs >= 1 and seconds > 0")
        if any(rate is not None and rate <= 0 for rate in (self.requests_per_minute, self.tokens_per_minute)):
            raise SettingsError("requests and tokens a minute must be above 0; leave them out for no limit")
        if self.max_cost is not None and not (self.price_in or self.price_out):
            raise SettingsError("max_cost needs prices; write price_in and price_out, for a million tokens")

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """The name at the endpoint, and the address; what stands behind it can't be known from here."""
        return {"name": self.model, "endpoint": self.url}

    @cached_property
    def pace(self) -> Pace:
        """How fast it may be asked, as learnt so far; shared by all calls of one model."""
        return Pace(
            most=self.concurrency,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
        )

    def apart(self) -> None:
        """Raise SettingsError where several workers, each with a copy of this, could not keep what was set."""
        limits = ("requests_per_minute", "tokens_per_minute", "max_requests", "max_tokens", "max_cost")
        if given := [name for name in limits if getattr(self, name) is not None]:
            raise SettingsError(
                f"{', '.join(given)}: several workers cannot keep one budget or rate; leave it out, or ask from one "
                "process, which has thousands of requests under way"
            )

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        """One reply to each prompt, in order. Works inside a running event loop, too."""
        if not prompts:
            return []
        return run(self._all(prompts, sampling))

    async def _all(self, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        seen: Counter[str] = Counter()
        asked = []
        for prompt in prompts:
            # Copies of one prompt ask for different seeds, as local models draw from different streams.
            asked.append((prompt, seeds.stream(sampling.seed, prompt.id, seen[prompt.id])))
            seen[prompt.id] += 1
        async with Client(self) as client:
            tasks = [asyncio.create_task(_answered(client, p, sampling, s)) for p, s in asked]
            try:
                return list(await asyncio.gather(*tasks))
            except BaseException:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                raise


async def _answered(client: Client, prompt: Transcript, sampling: Sampling, seed: int) -> Transcript:
    got = await client.reply(prompt.messages, sampling, seed)
    if isinstance(got, Failure):
        raise EndpointError(got.what)
    return Transcript((*prompt.messages, got.message), prompt.expect)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in this thread, or in one of its own if this one already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="gnomon-endpoint") as other:
        return other.submit(asyncio.run, work).result()
