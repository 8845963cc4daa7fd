"""Training a reward model from a charter's pairs or from a file: its result is a judge, not a policy."""

from gnomon.cli.aligning_offline import loop_settings, material
from gnomon.cli.checkpoints import local, numbers
from gnomon.cli.stages import Run
from gnomon.core.types import Json
from gnomon.models.adapters import LoRA
from gnomon.training import reward
from gnomon.training.batches import OfflineLoss


def trained(run: Run, loss: OfflineLoss) -> Json:
    """Train, calibrate on conversations held out, write RUN/reward_model; returns the report that is also recorded."""
    settings = run.settings
    made, examples = material(run, loss)
    loop = loop_settings(run, len(examples))
    title = f"Reward model: {settings.method}, {settings.weights}"
    with numbers(run, title, loop.steps or 0) as sink:
        report = reward.train_and_write(
            subject=local(run),
            examples=examples,
            loss=loss,
            settings=loop,
            folder=run.folder / "reward_model",
            work=run.folder / "work" / "training",
            training=reward.RewardTraining(
                lora=LoRA() if settings.weights == "lora" else None, head_seed=settings.seed
            ),
            curve=run.folder / "calibration.svg",
            sink=sink,
        )
    run.ledger.append(kind="training", payload={"method": settings.method, "report": report}, parents=[made.id])
    return report
