"""From judged rollouts to mini-batches: packed rows, old and reference log-probabilities, credit, and the loss on them.

Old log-probabilities come from the very rows of the update: at the first mini-batch the ratio is 1 to the last bit.
With one update a batch of rollouts, old and new are the same and computed once. It makes no steps.
Shapes: `K` completion tokens, `B` rollouts of a mini-batch. Units: nats, at the sampling temperature.
Fails: with what the model raises.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.core.protocols import LossOut
from gnomon.models.packing import Packed
from gnomon.training import credit, schedule, world
from gnomon.training.batches import OnlineLoss
from gnomon.training.examples import Example
from gnomon.training.gather import Pair, Progress
from gnomon.training.online_schedule import Online, cut
from gnomon.training.reference import pack_row

Outputs = Callable[[Sequence[Packed]], Tensor]
"""What a model says of packed rows, without gradient, end to end."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One mini-batch: its packed rows, and the columns of the loss's batch that stay while it is trained on."""

    packs: Sequence[Packed]
    columns: Mapping[str, Tensor]


def make(
    pairs: Sequence[Pair],
    progress: Progress,
    *,
    loss: OnlineLoss,
    settings: Online,
    policy: Outputs,
    reference: Outputs | None,
) -> tuple[list[Part], dict[str, float]]:
    """The mini-batches of one batch of rollouts, and numbers to log; `reference` is None if nothing needs it."""
    cuts = cut(pairs, settings.staleness)
    packs = [_pack(part, settings.row_tokens) for part in cuts]
    rows = [packed for part in packs for packed in part]
    columns, sampler_K = {}, _sampler(pairs)
    if sampler_K is not None:
        columns["sampler_logp_K"] = sampler_K
    if len(cuts) * settings.passes > 1 or loss.READS.HEAD or reference or sampler_K is None:
        output = policy(rows).cpu()
        columns["old_logp_K"] = output[:, 0] if loss.READS.HEAD else output
        if loss.READS.HEAD:
            columns["old_value_K"] = output[:, 1]
    divergence_K = None
    if reference:
        columns["reference_K"] = reference(rows).cpu()
        divergence_K = columns["old_logp_K"] - columns["reference_K"]
    earned = credit.assign(
        pairs,
        estimate=loss.ADVANTAGE,
        settings=settings,
        progress=progress,
        divergence_K=divergence_K,
        value_K=columns.get("old_value_K"),
    )
    columns["advantage_K"] = earned.advantage_K
    if earned.return_K is not None:
        columns["return_K"] = earned.return_K
    drawn_K = columns["old_logp_K"] if sampler_K is None else sampler_K
    numbers = {"entropy": -drawn_K.mean().item(), "multiplier": progress.multiplier.value}
    if divergence_K is not None:
        numbers |= {"kl": divergence_K.sum().item() / len(pairs), "kl_weight": progress.kl}
    counts = [sum(len(r.ids) for r, _ in part) for part in cuts]
    split = {name: torch.split(column, counts) for name, column in columns.items()}
    parts = [
        Part(packs=packs[i], columns={n: pieces[i] for n, pieces in split.items()} | _places(part, settings))
        for i, part in enumerate(cuts)
    ]
    return parts, numbers


def loss_on(loss: OnlineLoss, part: Part, output: Tensor) -> LossOut:
    """The loss of a mini-batch's outputs; before its first update the old log-probabilities may be the new ones."""
    logp_K = output[:, 0] if loss.READS.HEAD else output
    plain_K = logp_K.detach()
    columns = {name: c.to(output.device) if name == "owner_K" else c.to(plain_K) for name, c in part.columns.items()}
    columns = {"old_logp_K": plain_K, "reference_K": torch.full_like(plain_K, torch.nan)} | columns
    columns.setdefault("sampler_logp_K", columns["old_logp_K"])
    if loss.READS.HEAD:
        columns["value_K"] = output[:, 1]
    return loss(batch=loss.READS(logp_K=logp_K, **columns))


def _pack(part: Sequence[Pair], row_tokens: int) -> list[Packed]:
    examples = [Example(id="", prompt=r.prompt.ids, completions=(r.ids,)) for r, _ in part]
    return [pack_row(row) for row in schedule.rows(examples, row_tokens, world.current().size)]


def _sampler(pairs: Sequence[Pair]) -> Tensor | None:
    """Log-probabilities as the sampler said, if it did."""
    said = [r.logp for r, _ in pairs if r.logp is not None]
    return torch.tensor([x for logp in said for x in logp], dtype=torch.float64) if len(said) == len(pairs) else None


def _places(part: Sequence[Pair], settings: Online) -> dict[str, Tensor]:
    """To whom the tokens belong, and the longest that a rollout could have been; a server may tokenise otherwise."""
    count_B = torch.tensor([len(r.ids) for r, _ in part])
    return {
        "owner_K": torch.repeat_interleave(torch.arange(len(part)), count_B),
        "limit_B": count_B.clamp(min=settings.max_new_tokens),
    }
