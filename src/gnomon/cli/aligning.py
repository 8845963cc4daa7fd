"""Which loop trains a method, by what its loss reads. Both the main job and `gnomon align` come through here."""

from typing import Any

from gnomon.cli import aligning_offline, aligning_online, aligning_reward
from gnomon.cli.stages import Run
from gnomon.core import plugin
from gnomon.core.errors import SettingsError
from gnomon.core.types import Json, Record
from gnomon.training import world
from gnomon.training.batches import ActorCriticBatch, GaussianRewardBatch, RewardBatch, RolloutBatch
from gnomon.training.checkpoint import State

SAMPLED = (RolloutBatch, ActorCriticBatch)
JUDGES = (RewardBatch, GaussianRewardBatch)


def trained(run: Run) -> tuple[Record, State]:
    """Train by the run's method; the `training` record and where the checkpoints lie."""
    loss, settings = _loss(run), run.settings
    if loss.READS in JUDGES:
        raise SettingsError(
            f"{settings.method} makes a reward model, not an aligned one; use gnomon align --method {settings.method}"
        )
    if loss.READS in SAMPLED:
        if settings.data:
            raise SettingsError(f"{settings.method} learns from its own samples of the charter's cases; leave out data")
        return aligning_online.trained(run, loss)
    if settings.reward_model:
        raise SettingsError(f"{settings.method} reads no reward; leave out reward_model, or take a method that samples")
    return aligning_offline.trained(run, loss)


def judge_trained(run: Run) -> Json:
    """Train a reward model by the run's method; the report on it."""
    if world.current().size > 1:
        raise SettingsError(f"{run.settings.method} makes a reward model in one process; start it without torchrun")
    return aligning_reward.trained(run, _loss(run))


def makes_judge(method: str) -> bool:
    """Whether a method's result is a reward model and not a policy."""
    return plugin.load("loss", method).READS in JUDGES


def _loss(run: Run) -> Any:
    return plugin.build("loss", run.settings.method, run.settings.loss_settings)
