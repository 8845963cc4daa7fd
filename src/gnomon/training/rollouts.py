"""Replies sampled for training: from the weights that are being trained, or from any other model, such as a server.

The live weights are shared with the sampler without a copy (an adapter is folded in while it samples), and each token
comes with the log-probability that the sampler drew it by. Another model gives text alone: it is made tokens again,
which may differ from those that it drew, and its log-probabilities are unknown, so taken for those of the trainer: a
server with other weights than the trainer's is then off-policy without any correction. It judges nothing.
Units: tokens; log-probabilities in nats at the sampling temperature.
Fails: closed; no prompts, ids that the model has no row for, or replies that do not fit its context are errors.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from gnomon.core import seeds
from gnomon.core.errors import DataError, ModelError
from gnomon.core.protocols import Model, Sampling
from gnomon.core.types import Transcript
from gnomon.models import adapters
from gnomon.models.adapters import Adapter
from gnomon.models.local import LocalModel
from gnomon.training import world


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A conversation to be answered, and its tokens."""

    transcript: Transcript
    ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One reply to one prompt."""

    prompt: Prompt
    group: int
    """The same for all rollouts of a prompt in one batch."""
    ids: tuple[int, ...]
    """The reply's tokens; the stop token is among them, unless the reply was cut."""
    logp: tuple[float, ...] | None
    """Of each token, as the sampler said; None where it said nothing."""
    cut: bool
    """Whether it reached its longest without an end."""
    transcript: Transcript
    """The conversation with the reply."""


def encode(subject: LocalModel, prompts: Sequence[Transcript], *, most: int) -> list[Prompt]:
    """The prompts as tokens, checked against the model once, before anything is sampled. `most`: longest reply."""
    if not prompts:
        raise DataError("no prompts to sample from; name a file with at least one conversation")
    rows = subject.model.get_input_embeddings().weight.shape[0]
    made = [Prompt(transcript=t, ids=tuple(subject.encode(t))) for t in prompts]
    name = subject.identity.get("name", "this model")
    for index, prompt in enumerate(made):
        if max(prompt.ids, default=0) >= rows:
            raise ModelError(
                f"prompt {index} holds the token {max(prompt.ids)}, but {name} knows {rows} tokens only: tokenizer and "
                "weights are of different models; load the tokenizer that came with the weights"
            )
        if len(prompt.ids) + most > subject.context:
            raise ModelError(
                f"prompt {index} has {len(prompt.ids)} tokens: with a reply of {most} it does not fit into the "
                f"{subject.context} of {name}; shorten it, or set max_new_tokens to at most "
                f"{max(0, subject.context - len(prompt.ids))}"
            )
    return made


def sample(
    subject: LocalModel,
    adapter: Adapter | None,
    prompts: Sequence[Prompt],
    *,
    group: int,
    first: int,
    sampling: Sampling,
    sampler: Model | None = None,
) -> list[Rollout]:
    """`group` rollouts of each prompt, a prompt's side by side; groups are numbered from `first`.

    The same prompts, weights and `sampling.seed` give the same rollouts, whatever was sampled before; a server may not.
    Of several processes each samples its share; all get all.
    """
    if sampler is not None:
        asked = [(prompt, first + i) for i, prompt in enumerate(prompts) for _ in range(group)]
        return world.lead(lambda: _foreign(subject, sampler, asked, sampling))
    here = world.current()
    own = range(here.rank, len(prompts), here.size)
    asked = [(prompts[i], first + i) for i in own for _ in range(group)]
    drawn = _own(subject, adapter, asked, group, sampling)
    return [r for rollouts in world.collected(dict(zip(own, drawn, strict=True))) for r in rollouts]


def _own(
    subject: LocalModel,
    adapter: Adapter | None,
    asked: Sequence[tuple[Prompt, int]],
    group: int,
    sampling: Sampling,
) -> list[list[Rollout]]:
    """Rollouts of the live weights, a list a prompt; every one has a stream of its own."""
    streams = [seeds.generator(sampling.seed, place, k % group) for k, (_, place) in enumerate(asked)]
    with adapters.merged(adapter) if adapter else nullcontext():
        drawn = subject.draw([p.ids for p, _ in asked], streams, sampling)
    made = [
        Rollout(
            prompt=prompt,
            group=place,
            ids=tuple(d.ids) if d.stop is None else (*d.ids, d.stop),
            logp=tuple(d.logp),
            cut=d.stop is None,
            transcript=prompt.transcript.answered(subject.decode(d.ids)),
        )
        for (prompt, place), d in zip(asked, drawn, strict=True)
    ]
    return [made[k : k + group] for k in range(0, len(made), group)]


def _foreign(
    subject: LocalModel, sampler: Model, asked: Sequence[tuple[Prompt, int]], sampling: Sampling
) -> list[Rollout]:
    """Replies of another model; one that fills its limit counts as cut, any other gets the end token."""
    answered = sampler.generate(prompts=[p.transcript for p, _ in asked], sampling=sampling)
    made = []
    for (prompt, place), transcript in zip(asked, answered, strict=True):
        ids = tuple(subject.tokenizer.encode(transcript.reply, add_special_tokens=False))
        cut = len(ids) >= sampling.max_new_tokens
        ids = ids if cut else (*ids, subject.tokenizer.eos_token_id)
        if len(prompt.ids) + len(ids) > subject.context:
            raise ModelError(
                f"a reply of {sampler.identity['name']} has {len(ids)} tokens, more than the {subject.context} of the "
                "trained model hold behind its prompt; lower max_new_tokens"
            )
        made.append(Rollout(prompt=prompt, group=place, ids=ids, logp=None, cut=cut, transcript=transcript))
    return made
