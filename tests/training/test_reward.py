import json

import pytest

torch = pytest.importorskip("torch")

from gnomon.core import seeds  # noqa: E402
from gnomon.core.canonical import to_builtins  # noqa: E402
from gnomon.core.errors import DataError, SettingsError  # noqa: E402
from gnomon.core.types import Message, Transcript  # noqa: E402
from gnomon.models import heads, reward_model  # noqa: E402
from gnomon.models.adapters import LoRA  # noqa: E402
from gnomon.models.reward_model import Lengths, RewardModel, load  # noqa: E402
from gnomon.training import reward  # noqa: E402
from gnomon.training.examples import preference_examples  # noqa: E402
from gnomon.training.losses.dpo import DPO  # noqa: E402
from gnomon.training.losses.gaussian_reward import GaussianReward  # noqa: E402
from gnomon.training.losses.reward import Reward  # noqa: E402
from gnomon.training.reward import RewardTraining, calibrate, measure, of_prompt, split, train_and_write  # noqa: E402
from gnomon.training.schedule import Offline  # noqa: E402
from gnomon.training.warm import average  # noqa: E402


def rows(count, seed=0, wrong=0.0):
    """Whoever says 7 is preferred to whoever says 8, but for a share of labels that are wrong."""
    draw = seeds.generator(seed, "rows")
    made = []
    for i in range(count):
        said = [str(draw.randrange(10, 50)) for _ in range(4)]
        replies = [f"{said[0]} 7 {said[1]}", f"{said[2]} 8 {said[3]}"]
        if draw.random() < wrong:
            replies.reverse()
        prompt = [{"role": "user", "content": " ".join(str(draw.randrange(10, 50)) for _ in range(3))}]
        made.append({"case": f"{seed}-{i}", "prompt": prompt, "chosen": replies[0], "rejected": replies[1]})
    return made


@pytest.fixture
def start(tiny_chat):
    return tiny_chat(initializer_range=0.1)


def run(subject, folder, examples, *, lora=True, loss=None, training=None, **settings):
    known = {"work": folder / "work", "curve": None, "test": ()}
    loop = {k: settings.pop(k) for k in list(settings) if k not in known}
    return train_and_write(
        subject=subject,
        examples=examples,
        loss=loss or Reward(),
        settings=Offline(**{"batch": 16, "learning_rate": 5e-3, "epochs": 4, "every": 100} | loop),
        folder=folder / "rm",
        training=RewardTraining(**{"lora": LoRA(rank=4) if lora else None} | (training or {})),
        **known | settings,
    )


@pytest.mark.parametrize(("lora", "loss"), [(True, None), (False, None), (True, GaussianReward(link="probit"))])
def test_a_trivial_preference_is_learnt_written_and_calibrated(start, tmp_path, lora, loss):
    before = {n: t.clone() for n, t in start.model.state_dict().items()}
    examples = preference_examples(rows(120, wrong=0.1), start)
    test = preference_examples(rows(60, seed=1, wrong=0.1), start)
    report = run(start, tmp_path, examples, lora=lora, loss=loss, test=test)
    assert json.loads(json.dumps(report)) == report
    assert report["pairs"] == {"train": 96, "calibration": 24, "test": 60, "alike after the cut": 0}
    assert report["test"]["fitted"]["accuracy"]["low"] > 0.7
    judged = load(tmp_path / "rm", dtype="float32")
    assert judged.features == (2 if loss else 1)
    assert judged.calibration.link == ("probit" if loss else "logistic")
    prompt = Message("user", "20 21 22")
    better, worse = (Transcript((prompt, Message("assistant", f"30 {w} 31"))) for w in (7, 8))
    assert judged.score(transcript=better).value > 0.5 > judged.score(transcript=worse).value
    assert judged.preference([better], [worse]).item() > 0.6
    assert start.model.state_dict().keys() == before.keys(), "head and adapter are off again"
    assert all(torch.equal(t, before[n]) for n, t in start.model.state_dict().items())


def test_temperature_repairs_overconfidence_on_other_pairs(start, tmp_path):
    # A quarter of the labels is wrong and learnt by heart: what the model says is then far too sure.
    examples = preference_examples(rows(150, wrong=0.25), start)
    test = preference_examples(rows(200, seed=1, wrong=0.25), start)
    report = run(start, tmp_path, examples, lora=False, epochs=12, test=test)
    raw, fitted = report["test"]["raw"], report["test"]["fitted"]
    assert report["calibration"]["temperature"] > 1.5
    assert fitted["calibration_error"]["value"] < 0.7 * raw["calibration_error"]["value"]
    assert fitted["brier"]["value"] < raw["brier"]["value"]
    assert fitted["nll"] < raw["nll"]
    assert fitted["accuracy"] == raw["accuracy"]


def test_a_killed_run_goes_on_and_the_curve_is_drawn(start, tmp_path, tiny_chat):
    pytest.importorskip("matplotlib")
    examples = preference_examples(rows(40), start)

    class Stop:
        def number(self, name, value, unit, step):
            if name == "loss" and step == 3:
                raise KeyboardInterrupt

        def record(self, record):
            raise AssertionError

    training = {"lora": LoRA(rank=4)}
    with pytest.raises(KeyboardInterrupt):
        train_and_write(
            subject=start,
            examples=examples,
            loss=Reward(),
            settings=Offline(batch=16, learning_rate=5e-3, epochs=4, every=2),
            folder=tmp_path / "a" / "rm",
            work=tmp_path / "a" / "work",
            training=RewardTraining(**training),
            sink=Stop(),
        )
    assert heads.attached(start.model) is None
    one = run(start, tmp_path / "a", examples, training=training, every=2, curve=tmp_path / "curve.svg")
    two = run(tiny_chat(initializer_range=0.1), tmp_path / "b", examples, training=training, every=2)
    assert one["identity"] == two["identity"]
    assert one["calibration"] == two["calibration"]
    assert (tmp_path / "curve.svg").read_text().count("<svg") == 1


def test_members_from_one_start_can_be_averaged_and_ensemble_better_than_chance(start, tmp_path):
    examples = preference_examples(rows(80), start)
    for seed in (0, 1):
        run(start, tmp_path / str(seed), examples, seed=seed)
    folders = [tmp_path / str(seed) / "rm" for seed in (0, 1)]
    one, two = (load(f, dtype="float32") for f in folders)
    assert one.identity["weights"] != two.identity["weights"]
    mean = average(folders, tmp_path / "mean")
    test = preference_examples(rows(60, seed=2), start)
    assert measure(mean, test, of_prompt)["raw"].accuracy.low > 0.7
    run(start, tmp_path / "other", examples, training={"head_seed": 1})
    with pytest.raises(Exception, match="differ in start"):
        average([folders[0], tmp_path / "other" / "rm"], tmp_path / "none")


def test_lengths_hold_in_training_and_in_judging(start, tmp_path):
    # What tells the replies apart stands behind the cut: such pairs are left out and counted.
    hidden = [{**r, "chosen": "3 4 7", "rejected": "3 4 8"} for r in rows(10, seed=3)]
    examples = preference_examples([*rows(60), *hidden], start)
    report = run(start, tmp_path, examples, training={"lengths": Lengths(prompt=4, reply=2)}, epochs=1)
    assert report["pairs"]["alike after the cut"] == 10
    judged = load(tmp_path / "rm")
    assert judged.lengths == Lengths(prompt=4, reply=2)
    long, short = (Transcript((Message("user", "3"), Message("assistant", t))) for t in ("9 7 5 5 5", "9 7 6"))
    assert judged.rewards([long]).item() == judged.rewards([short]).item()


def test_the_split_keeps_conversations_together(start):
    examples = preference_examples([r for r in rows(20) for _ in range(2)], start)
    kept, aside = split(examples, of_prompt, 0.3)
    assert len(kept) + len(aside) == 40
    assert len(aside) == 12
    assert not {e.prompt for e in kept} & {e.prompt for e in aside}
    assert split(examples[::-1], of_prompt, 0.3)[1][::-1] == aside


def test_calibration_states_mean_deviation_and_likeliest_temperature(start):
    heads.attach(start.model, features=1)
    judged = RewardModel(local=start)
    examples = preference_examples(rows(30), start)
    found, qualities = calibrate(judged, examples, of_prompt)
    rewards = judged.judge([(e.prompt, c) for e in examples for c in e.completions])[:, 0].double()
    assert found.mean == pytest.approx(rewards.mean().item())
    assert found.deviation == pytest.approx(rewards.std(correction=0).item())
    assert set(to_builtins(qualities)) == {"raw", "fitted"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"loss": DPO()}, SettingsError, "DPO trains no reward model"),
        ({"examples": 2}, DataError, "at least 3 are needed"),
        ({"leak": True}, DataError, "20 conversations are in the test pairs"),
        ({"training": {"held_out": 1.0}}, SettingsError, "between 0 and 1"),
    ],
)
def test_what_cannot_become_a_reward_model_is_refused_before_training(start, tmp_path, change, error, message):
    examples = preference_examples(rows(change.get("examples", 20)), start)
    with pytest.raises(error, match=message):
        run(
            start,
            tmp_path,
            examples,
            loss=change.get("loss"),
            training=change.get("training"),
            test=examples if change.get("leak") else (),
        )
    assert not (tmp_path / "work").exists()


def test_the_written_model_is_what_is_measured(start, tmp_path, monkeypatch):
    opened = []
    real = reward_model.load
    monkeypatch.setattr(reward.reward_model, "load", lambda *a, **k: opened.append(a) or real(*a, **k))
    run(start, tmp_path, preference_examples(rows(20), start), epochs=1)
    assert opened == [(tmp_path / "rm",)]
