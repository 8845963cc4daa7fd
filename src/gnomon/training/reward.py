"""Reward models from preference pairs: train, write, read back, calibrate, judge the held-out pairs.

It picks no loss (`losses/reward`, `losses/gaussian_reward`) and walks no batches (`offline` does). What is calibrated
and measured is the folder as anyone will load it, not the weights in memory.
Source: Ouyang et al. 2203.02155, section 3.5; calibration by temperature: Guo et al. 1706.04599.
Shapes: `N` pairs, `F` outputs of the head. Units: log-odds of being preferred.
Fails: closed; no pairs to calibrate on is a DataError before the training, not after it.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gnomon.core import seeds
from gnomon.core.canonical import digest, to_builtins
from gnomon.core.errors import DataError, SettingsError
from gnomon.core.protocols import Sink
from gnomon.core.types import Json
from gnomon.models import adapters, heads, reward_model
from gnomon.models.adapters import Adapter, LoRA
from gnomon.models.local import LocalModel
from gnomon.models.reward_model import Calibration, Lengths, RewardModel
from gnomon.training import calibration, offline
from gnomon.training.batches import OfflineLoss
from gnomon.training.examples import Example
from gnomon.training.schedule import Offline


@dataclass(frozen=True, kw_only=True)
class RewardTraining:
    """What a reward model needs beside the settings of the loop."""

    lora: LoRA | None = field(default_factory=LoRA)
    """Shape of the adapter; None trains all weights."""
    lengths: Lengths = field(default_factory=Lengths)
    """How much of each prompt and reply is read, in training and ever after."""
    held_out: float = 0.2
    """Share of the conversations that are calibrated on and not trained on."""
    head_seed: int = 0
    """Draws the head's start: alike for models whose weights are to be averaged."""

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise SettingsError(f"reward: held_out is a share between 0 and 1, not {self.held_out}; write 0.2")


Conversation = Callable[[Example], str]
"""Names what an example belongs to."""


def of_prompt(example: Example) -> str:
    """The conversation, if all that is known of it is the prompt."""
    return digest(example.prompt)


def train_and_write(
    *,
    subject: LocalModel,
    examples: Sequence[Example],
    loss: OfflineLoss,
    settings: Offline,
    folder: Path,
    work: Path,
    training: RewardTraining | None = None,
    conversation: Conversation = of_prompt,
    test: Sequence[Example] = (),
    curve: Path | None = None,
    sink: Sink | None = None,
) -> dict[str, Json]:
    """Train on pairs (chosen, rejected), write the reward model to `folder`; returns the report. The subject is kept.

    `conversation` names what an example belongs to; what belongs together is never on both sides.
    `test` pairs are judged at the end with what was calibrated elsewhere. `curve` is where the reliability is drawn.
    `work` keeps the checkpoints; a killed run goes on from there.
    """
    training = training or RewardTraining()
    if not loss.READS.HEAD:
        raise SettingsError(f"{type(loss).__name__} trains no reward model; use the loss reward or gaussian_reward")
    if curve is not None:
        calibration.plotting()
    if both := {conversation(e) for e in test} & {conversation(e) for e in examples}:
        raise DataError(f"{len(both)} conversations are in the test pairs and in the others; drop them from one side")
    cut, dropped = _cut(examples, training.lengths)
    kept, aside = split(cut, conversation, training.held_out)
    with _trainable(subject, training, loss.READS.HEAD, settings.seed) as (model, adapter):
        state = offline.train(
            subject=model,
            adapter=adapter,
            examples=kept,
            loss=loss,
            settings=settings,
            folder=work,
            measure=heads.sequence_outputs,
            sink=sink,
        )
        link: Any = getattr(loss, "link", "logistic")
        RewardModel(
            local=model,
            calibration=Calibration(link=link),
            lengths=training.lengths,
            origin=_origin(subject, loss, kept, training),
            adapter=adapter,
            # An adapter's steps are finer than what a 16-bit sum of base and adapter can hold.
        ).save(folder, dtype=torch.float32 if adapter else None)
    judged = reward_model.load(folder, device=str(subject.device))
    found, measured = calibrate(judged, aside, conversation)
    reward_model.recalibrate(folder, found)
    tested = measure(replace(judged, calibration=found), test, conversation) if test else None
    if curve is not None:
        calibration.draw(tested or measured, curve)
    return {
        "folder": str(folder),
        "identity": dict(judged.identity),
        "origin": dict(judged.origin),
        "pairs": {"train": len(kept), "calibration": len(aside), "test": len(test), "alike after the cut": dropped},
        "steps": state.step,
        "last": to_builtins(state.log[-1]),
        "calibration": {**to_builtins(found), "quality": to_builtins(measured)},
        "test": to_builtins(tested),
    }


def split(
    examples: Sequence[Example], conversation: Conversation, share: float, *, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """Examples to train on, and those of about a `share` of the conversations, at least two, that are not."""
    names = sorted({conversation(e) for e in examples})
    seeds.generator(seed, "held-out conversations").shuffle(names)
    aside = set(names[: max(2, round(share * len(names)))])
    if len(names) < 3:
        raise DataError(f"{len(names)} conversations: at least 3 are needed to train on some and calibrate on others")
    return (
        [e for e in examples if conversation(e) not in aside],
        [e for e in examples if conversation(e) in aside],
    )


def calibrate(
    judged: RewardModel, examples: Sequence[Example], conversation: Conversation
) -> tuple[Calibration, dict[str, calibration.Quality]]:
    """Scale and temperature from pairs that were not trained on, and what they are worth there.

    `fitted` is measured with the temperature of the other half of the conversations, as otherwise it would flatter.
    """
    output_NCF = _outputs(judged, examples)
    rewards = output_NCF[..., 0].double()
    odds = judged.log_odds(output_NCF[:, 0], output_NCF[:, 1]).tolist()
    names = [conversation(e) for e in examples]
    found = replace(
        judged.calibration,
        mean=rewards.mean().item(),
        deviation=max(rewards.std(correction=0).item(), torch.finfo(torch.float32).tiny),
        temperature=calibration.temperature(odds),
    )
    qualities = {"raw": odds, "fitted": calibration.cross_fitted(odds, names)}
    return found, {name: calibration.quality(values, names) for name, values in qualities.items()}


def measure(
    judged: RewardModel, examples: Sequence[Example], conversation: Conversation
) -> dict[str, calibration.Quality]:
    """What a calibrated reward model is worth on other pairs, without its temperature and with it."""
    output_NCF = _outputs(judged, examples)
    odds_N = judged.log_odds(output_NCF[:, 0], output_NCF[:, 1]).double()
    names = [conversation(e) for e in examples]
    both = {"raw": odds_N, "fitted": odds_N / judged.calibration.temperature}
    return {name: calibration.quality(values.tolist(), names) for name, values in both.items()}


def _origin(
    subject: LocalModel, loss: OfflineLoss, examples: Sequence[Example], training: RewardTraining
) -> dict[str, Json]:
    """Where the weights come from; `start` is alike for models whose weights can be averaged."""
    return {
        "base": subject.identity["name"],
        "start": digest([dict(subject.identity), loss.READS.HEAD, training.head_seed]),
        "loss": {type(loss).__name__: to_builtins(loss)},
        "data": digest(sorted(e.content for e in examples)),
    }


def _outputs(judged: RewardModel, examples: Sequence[Example]) -> Tensor:
    """`N` x 2 x `F`: chosen, rejected."""
    output = judged.judge([(e.prompt, c) for e in examples for c in e.completions])
    return output.view(len(examples), 2, judged.features)


def _cut(examples: Sequence[Example], lengths: Lengths) -> tuple[list[Example], int]:
    """Examples as the model reads them, without those whose replies are then alike; and how many those were."""
    found = []
    for example in examples:
        prompt = lengths.cut(example.prompt, example.completions[0])[0]
        completions = tuple(lengths.cut(example.prompt, c)[1] for c in example.completions)
        if len(set(completions)) == len(completions):
            found.append(replace(example, prompt=prompt, completions=completions))
    return found, len(examples) - len(found)


@contextmanager
def _trainable(
    subject: LocalModel, training: RewardTraining, features: int, seed: int
) -> Iterator[tuple[LocalModel, Adapter | None]]:
    """The subject with a head and an adapter, taken off in the end; or with a head a copy of it."""
    model: Any = subject.model if training.lora else copy.deepcopy(subject.model)
    adapter = adapters.attach(model, training.lora, seed=seed) if training.lora else None
    try:
        heads.attach(model, features=features, seed=training.head_seed)
        yield replace(subject, model=model), adapter
    finally:
        if heads.attached(model):
            heads.detach(model)
        if adapter:
            adapters.detach(adapter)
