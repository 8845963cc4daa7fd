"""A model behind the guard: itself a Model, so that whatever measures or attacks a model measures the guarded one.

It asks the inner model only what may be asked, with the norms in the system prompt if the policy steers, never asks
again for a reply that was stopped, and says the norm's safe reply instead. A conversation whose reply was suspended
stays suspended in every continuation; a new one begins free: whoever knows sessions keeps them with `latch`.
Fails: closed; what `decide` does not allow or modify is not passed on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from gnomon.charter.policy import Policy
from gnomon.core.canonical import digest, to_builtins
from gnomon.core.protocols import Model, Sampling
from gnomon.core.types import Json, Transcript, Verdict
from gnomon.guard.compiled import Compiled, compiled
from gnomon.guard.decide import decide
from gnomon.guard.reading import with_last
from gnomon.guard.steering import steered

FALLBACK = "I can't help with that."
SUSPENDED = Verdict(action="suspend", rule="latch", reason="a reply of this conversation was suspended")


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """`model` as its users meet it under `policy`. Raises SettingsError when the policy cannot be compiled."""

    model: Model
    policy: Policy
    replies: bool = True
    """Whether replies are judged, too. Without, the request side stands alone, so that it can be measured by itself."""
    decisions: list[Json] = field(default_factory=list, repr=False)
    """Rows for a `decisions` record, in order: each request and each reply that was judged."""
    _suspended: dict[str, Verdict] = field(default_factory=dict, repr=False)
    """Digest of a conversation up to and with a suspended reply's stand-in."""

    def __post_init__(self) -> None:
        _ = self.compiled  # a policy that cannot be compiled is told at start

    @cached_property
    def compiled(self) -> Compiled:
        """The policy's screens."""
        return compiled(self.policy)

    @property
    def identity(self) -> Mapping[str, str]:
        """The inner model's, with the guard's name and the policy's digest."""
        inner = self.model.identity
        side = "guard" if self.replies else "guard-of-requests"
        return {**inner, "name": f"{inner.get('name', 'model')}+{side}", "policy": digest(self.policy)}

    def drain(self) -> list[Json]:
        """The decisions since the last call."""
        rows = list(self.decisions)
        self.decisions.clear()
        return rows

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        """One reply to each prompt, in order: the inner model's, or the norm's safe reply."""
        replies: list[Transcript | None] = [None] * len(prompts)
        asked: list[tuple[int, Transcript]] = []
        for index, prompt in enumerate(prompts):
            goes, what = self.opened(prompt)
            if goes:
                asked.append((index, what))
            else:
                replies[index] = what
        answers = self.model.generate(prompts=[p for _, p in asked], sampling=sampling) if asked else []
        for (index, _), answer in zip(asked, answers, strict=True):
            replies[index] = self.passed(prompts[index], answer)
        return [reply for reply in replies if reply is not None]

    def opened(self, prompt: Transcript) -> tuple[bool, Transcript]:
        """Whether the model is asked, and with what; else what is said instead."""
        verdict = self._decided("request", prompt, self._latched(prompt))
        if verdict.action in ("allow", "modify"):
            return True, steered(_changed(prompt, verdict), self.policy)
        return False, self._stopped(prompt, verdict)

    def passed(self, prompt: Transcript, answer: Transcript) -> Transcript:
        """The prompt as it was asked, with the reply that may pass."""
        full = Transcript((*prompt.messages, *answer.messages[-1:]), prompt.expect)
        if not self.replies:
            return full
        verdict = self._decided("reply", full, ())
        if verdict.action in ("allow", "modify"):
            return _changed(full, verdict)
        return self._stopped(prompt, verdict)

    def _decided(self, stage: str, pending: Transcript, past: Sequence[Verdict]) -> Verdict:
        verdict = decide(policy=self.compiled, pending=pending, past=past)
        self.decisions.append({"transcript": pending.id, "stage": stage, "verdict": to_builtins(verdict)})
        return verdict

    def _stopped(self, prompt: Transcript, verdict: Verdict) -> Transcript:
        said = prompt.answered(self._safe_reply(prompt, verdict.norm))
        if verdict.action == "suspend":
            self._suspended[Transcript(said.messages).id] = verdict
        return said

    def _safe_reply(self, prompt: Transcript, norm: str) -> str:
        """The norm's safe reply where it is one here, else a fixed sentence: the guard's words are checked too."""
        text = self.compiled.safe_reply(norm)
        verdict = decide(policy=self.compiled, pending=prompt.answered(text)) if text else SUSPENDED
        return text if verdict.action == "allow" else FALLBACK

    def _latched(self, prompt: Transcript) -> tuple[Verdict, ...]:
        if not self._suspended:
            return ()
        ends = (i + 1 for i, m in enumerate(prompt.messages) if m.role == "assistant")
        digests = (Transcript(prompt.messages[:end]).id for end in ends)
        return tuple(self._suspended[d] for d in digests if d in self._suspended)


def _changed(conversation: Transcript, verdict: Verdict) -> Transcript:
    """The conversation, its last message exchanged for what may pass instead."""
    return conversation if verdict.action == "allow" else with_last(conversation, verdict.replacement)
