"""Weight-averaged reward models (WARM): several reward models from one start become one by the mean of their weights.

One pass costs what one member costs, unlike an ensemble of outputs. It trains nothing; the members' calibrations are
averaged too, which is a first guess only: calibrate again where pairs are at hand.
Source: Ramé et al. 2401.12187, section 3.2.
Fails: closed; if architecture, vocabulary, start or lengths differ, a ModelError names what does.
"""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from gnomon.core.canonical import digest
from gnomon.core.errors import ModelError, SettingsError
from gnomon.models.reward_model import Calibration, RewardModel, load


@torch.no_grad()
def average(folders: Sequence[Path], out: Path) -> RewardModel:
    """Read the reward models, write their mean to `out` in float32, and return it."""
    if not folders:
        raise SettingsError("there is nothing to average; name the folders of at least one reward model")
    mean = load(folders[0], dtype="float32", device="cpu")
    calibrations, weights = [mean.calibration], [mean.identity["weights"]]
    for count, folder in enumerate(folders[1:], start=2):
        other = load(folder, dtype="float32", device="cpu")
        _check(folders[0], mean, folder, other)
        found = dict(other.local.model.named_parameters())
        for name, parameter in mean.local.model.named_parameters():
            # A running mean: of equal weights it is exactly that weight.
            parameter.add_((found[name] - parameter) / count)
        calibrations.append(other.calibration)
        weights.append(other.identity["weights"])
    RewardModel(
        local=mean.local,
        calibration=_middle(calibrations),
        lengths=mean.lengths,
        origin={**mean.origin, "averaged": weights},
    ).save(out)
    return load(out, dtype="float32", device="cpu")


def _middle(calibrations: Sequence[Calibration]) -> Calibration:
    first, *others = calibrations
    means: dict[str, Any] = {
        f.name: sum((getattr(c, f.name) for c in others), getattr(first, f.name)) / len(calibrations)
        for f in fields(Calibration)
        if f.name != "link"
    }
    return Calibration(link=first.link, **means)


def _check(first_folder: Path, first: RewardModel, folder: Path, other: RewardModel) -> None:
    """Averages of weights mean something only along one start."""

    def facts(judged: RewardModel) -> dict[str, Any]:
        config = judged.local.model.config.to_dict()
        aside = ("dtype", "torch_dtype", "_name_or_path", "transformers_version")
        return {
            "architecture": {k: v for k, v in config.items() if k not in aside},
            "vocabulary": digest(judged.local.tokenizer.get_vocab()),
            "chat template": judged.identity["template"],
            "start": judged.origin.get("start", "unknown"),
            "outputs of the head": judged.features,
            "lengths": judged.lengths,
            "link": judged.calibration.link,
        }

    one, two = facts(first), facts(other)
    if differing := [name for name, value in one.items() if two[name] != value]:
        raise ModelError(
            f"{first_folder} and {folder} cannot be averaged: they differ in {', '.join(differing)}; "
            "train both from one start, or use an ensemble"
        )
    if one["start"] == "unknown":
        raise ModelError(f"{first_folder} does not say from which start it was trained; it cannot be averaged")
