"""Attack: Greedy Coordinate Gradient, a suffix whose tokens are exchanged one at a time for what the gradient favours.

White box: it needs the target's weights, and 500 steps of 512 candidates are hours without a GPU. What it lowers is the
loss of one given beginning of an answer; whether the rest of the answer breaks the norm is for the detector to say.
Source: Zou et al. (arXiv 2307.15043) algorithms 1 and 2; settings as published: top-k 256, batch 512, 500 steps. Probe
sampling: Zhao et al. (arXiv 2403.01251) algorithm 1.
Departs: with several requests all count from the first step on; candidates that do not survive as text are dropped; the
draft that probe sampling needs is the target itself in bfloat16, so there is none for a target that has no more bits.
Units: nats a target token. Fails: open; without weights it makes no try, and the search says so.
"""

import functools
import random
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Attempt, Budget, Goal, Inside, Step
from gnomon.core.seeds import stream
from gnomon.core.types import Transcript
from gnomon.redteam import suffix
from gnomon.redteam.rewrite import asked

if TYPE_CHECKING:
    from gnomon.models.local import LocalModel


@dataclass(frozen=True, kw_only=True)
class GCG:
    """One suffix for a request, or for several at once."""

    target: str = "Sure, here is the answer:"
    """How the answer is to begin; a goal whose `expect` has a `target` brings its own."""
    start: str = " !" * 20
    """The suffix before the first step; its tokens are as many as the suffix ever has."""
    steps: int = 500
    """Rounds of candidates; 50 to 100 show whether the loss falls at all."""
    batch: int = 512
    """Candidates a step; 32 to 64 are bearable on a CPU."""
    top_k: int = 256
    """Exchanges for each token, those that the gradient favours most."""
    every: int = 25
    """Steps between two tries at the target, with the best suffix so far; the first try is the untouched start."""
    probe: int = 16
    """One candidate in so many measures how far the draft can be trusted; 0: the target judges every candidate."""
    reduction: int = 8
    """The target judges one in so many of the candidates where draft and target disagree wholly, and fewer else."""
    also: tuple[str, ...] = ()
    """Further requests for which the same suffix has to work: the universal form."""

    def __post_init__(self) -> None:
        least = {"steps": 0, "batch": 1, "top_k": 1, "every": 1, "probe": 0, "reduction": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise SettingsError(f"{name} is {getattr(self, name)}; write a whole number from {low} up")

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Step, Any, None]:
        if budget.tries < 1:
            return
        work = functools.partial(self._begun, goal.prompt)
        now: suffix.Found = yield Inside(work=work, note="gcg start")
        best, tried = now, set[str]()
        for step in range(self.steps + 1):
            if step:
                work = functools.partial(self._stepped, goal.prompt, now, stream(seed, "gcg", goal.id, step))
                now = yield Inside(work=work, note=f"gcg step {step}")
                best = min(best, now, key=lambda found: found.loss)
            if (step % self.every == 0 or step == self.steps) and best.text not in tried:
                tried.add(best.text)
                prompt = asked(goal.prompt, goal.prompt.request + best.text)
                reply = yield Attempt(prompt=prompt, note=f"gcg step {step}, loss {best.loss:.3f}")
                if reply.breached or len(tried) >= budget.tries:
                    return

    def _begun(self, prompt: Transcript, model: "LocalModel") -> suffix.Found:
        places = self._places(prompt, model)
        ids = suffix.start(model, places, self.start)
        return suffix.Found(ids, self.start, suffix.losses(model, places, [ids])[0])

    def _stepped(self, prompt: Transcript, now: suffix.Found, seed: int, model: "LocalModel") -> suffix.Found:
        """The best of a batch of exchanges, which may be worse than what was there."""
        places = self._places(prompt, model)
        candidates = suffix.standing(model, places, self._exchanged(now.ids, places, seed, model))
        if not candidates:
            return now
        losses = self._judged(candidates, places, seed, model)
        best = min(losses, key=losses.__getitem__)
        return suffix.Found(best, suffix.text(model, places[0], best), losses[best])

    def _judged(
        self, candidates: list[suffix.Ids], places: list[suffix.Place], seed: int, model: "LocalModel"
    ) -> dict[suffix.Ids, float]:
        """The target's losses of those candidates that may be the best: a few by chance, and the draft's favourites."""
        from gnomon.core.statistics.ranks import spearman

        draft = suffix.draft(model) if self.probe else None
        size = len(candidates) // self.probe if self.probe else 0
        if draft is None or size < 2:
            return dict(zip(candidates, suffix.losses(model, places, candidates), strict=True))
        rough = dict(zip(candidates, suffix.losses(draft, places, candidates), strict=True))
        probes = random.Random(seed).sample(candidates, size)  # noqa: S311
        found = dict(zip(probes, suffix.losses(model, places, probes), strict=True))
        agreement = (1 + spearman([rough[c] for c in probes], [found[c] for c in probes])) / 2
        most = max(1, int((1 - agreement) * len(candidates) / self.reduction))
        rest = [c for c in sorted(candidates, key=rough.__getitem__)[:most] if c not in found]
        return found | dict(zip(rest, suffix.losses(model, places, rest), strict=True))

    def _exchanged(
        self, ids: suffix.Ids, places: list[suffix.Place], seed: int, model: "LocalModel"
    ) -> list[suffix.Ids]:
        """Candidates: a place in the suffix by chance, there one of the tokens with the steepest way down."""
        import torch

        _, grad_LD = suffix.downhill(model, places, suffix.embedded(model, ids))
        # The gradient by one-hot rows is that by the embeddings times the table: no one-hot row is ever made.
        grad_LV = grad_LD @ model.model.get_input_embeddings().weight.detach().T
        grad_LV[:, ~suffix.allowed(model)] = torch.inf
        best_LK = grad_LV.topk(min(self.top_k, grad_LV.shape[1]), largest=False).indices.cpu()
        draw = torch.Generator().manual_seed(seed % 2**63)
        where = torch.randint(len(ids), (self.batch,), generator=draw)
        which = torch.randint(best_LK.shape[1], (self.batch,), generator=draw)
        pairs = zip(where.tolist(), best_LK[where, which].tolist(), strict=True)
        return [(*ids[:at], token, *ids[at + 1 :]) for at, token in pairs]

    def _places(self, prompt: Transcript, model: "LocalModel") -> list[suffix.Place]:
        wanted = str(prompt.expect.get("target") or self.target)
        prompts = [prompt, *(asked(prompt, request) for request in self.also)]
        return [suffix.place(model, each, wanted) for each in prompts]


def stand_in(step: Inside) -> suffix.Found:
    """What a test without a model gets for a piece of work: a suffix that differs from step to step."""
    number = int(step.note.rpartition(" ")[2]) if step.note[-1].isdigit() else 0
    return suffix.Found((number,), f" !{number}", 1 / (1 + number))
