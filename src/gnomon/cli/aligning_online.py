"""Training on own samples in the main job: the charter's cases are the prompts, its preferences the reward.

Norms are judged beside the reward and never enter it; what a broken norm does to a rollout, the loop's `norms` says.
Which checkpoint may be kept is the limit's affair.
Units: rewards in [0, 1], 1 best, or a reward model's own.
"""

from collections.abc import Sequence
from pathlib import Path

from gnomon.cli.checkpoints import alone, numbers, recorded, trainable
from gnomon.cli.environment import environment
from gnomon.cli.judging import judged
from gnomon.cli.stages import EVERY_KIND, Run, sources
from gnomon.core import settings as core_settings
from gnomon.core.protocols import Dimension, Model
from gnomon.core.types import Case, Json, Record, Transcript
from gnomon.models import reward_model
from gnomon.models.load import load as load_model
from gnomon.scoring import judge as scoring
from gnomon.training import online
from gnomon.training.batches import OnlineLoss
from gnomon.training.checkpoint import State
from gnomon.training.judged import Judge, Judged
from gnomon.training.online_schedule import Online


def trained(run: Run, loss: OnlineLoss) -> tuple[Record, State]:
    """Train on rollouts of the training cases; the `training` record and where the checkpoints lie."""
    settings, cases = run.settings, run.cases("train", EVERY_KIND)
    loop = loop_settings(run, loss)
    model = reward_model.load(Path(settings.reward_model)) if settings.reward_model else None
    reward: Json = dict(model.identity) if model else "the charter's proxies"
    title = f"Align: {settings.method}, {settings.weights}"
    with trainable(run) as (subject, adapter), numbers(run, title, loop.steps) as sink:
        state = online.train(
            subject=subject,
            adapter=adapter,
            prompts=[case.prompt for case in cases],
            judge=judge_of(run, cases, model),
            loss=loss,
            settings=loop,
            folder=run.folder / "work" / "training",
            judged_by=[run.loaded.digest, reward],
            sampler=sampler(run),
            release=settings.release,
            sink=sink,
        )
    alone()
    about: Json = {"prompts": len(cases), "reward": reward}
    return recorded(run, loss=loss, loop=loop, state=state, about=about, parents=sources(run, "before")), state


def sampler(run: Run) -> Model | None:
    """The server that replies come from; None: the live weights."""
    if not run.settings.sampler:
        return None
    here = environment()
    return load_model(run.settings.sampler, cache=here.home, api_key=here.token, remote=run.settings.remote)


def loop_settings(run: Run, loss: OnlineLoss) -> Online:
    """The loop's settings: its defaults, then the method's paper, then the run, then the user's `loop.` settings."""
    settings = run.settings
    mine: dict[str, Json] = {
        "steps": settings.steps,
        "max_new_tokens": settings.max_new_tokens,
        "temperature": settings.temperature,
        "learning_rate": settings.rate,
        "every": settings.checkpoint_every,
        "seed": settings.seed,
    }
    return core_settings.make(Online, {**loss.RECIPE, **mine, **settings.loop}, name="the online loop")


def judge_of(run: Run, cases: Sequence[Case], model: Dimension | None) -> Judge:
    """Rewards of the charter's proxies, or of a reward model; norms by their own detectors."""
    by_prompt = {case.prompt.id: case for case in cases}
    charter = run.loaded.charter

    def decide(replies: Sequence[Transcript]) -> list[Judged]:
        asked = [(by_prompt[Transcript(r.messages[:-1], r.expect).id], [r]) for r in replies]
        seen = judged(charter, asked)
        if model is None:
            rewards = [one.helpful if case.kind == "lookalike" else one.proxy for case, (one,) in seen]
        else:
            rewards = [score.value for score in scoring.scores(model, replies)]
        reason = "no proxy could score this reply" if model is None else "the reward model could not score this reply"
        return [
            Judged(reward=reward, broken=one.breached, reason="" if reward is not None else reason)
            for reward, (_, (one,)) in zip(rewards, seen, strict=True)
        ]

    return decide
