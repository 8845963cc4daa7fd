import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gnomon.core import plugin  # noqa: E402
from gnomon.core.errors import DataError, ModelError, SettingsError, TrainingError  # noqa: E402
from gnomon.models import adapters, heads  # noqa: E402
from gnomon.models.scripted import ScriptedModel  # noqa: E402
from gnomon.training import advantages, rollouts  # noqa: E402
from gnomon.training.collapse import Limits  # noqa: E402
from gnomon.training.gather import _sampling  # noqa: E402
from gnomon.training.judged import Judged  # noqa: E402
from gnomon.training.losses.dpo import DPO  # noqa: E402
from gnomon.training.losses.grpo import GRPO  # noqa: E402
from gnomon.training.losses.ppo import PPO  # noqa: E402
from gnomon.training.losses.rloo import RLOO  # noqa: E402
from gnomon.training.losses.vespo import VESPO  # noqa: E402
from gnomon.training.online import train  # noqa: E402
from gnomon.training.online_schedule import Online  # noqa: E402
from tests.torchrun import torchrun  # noqa: E402
from tests.training import tiny  # noqa: E402
from tests.training.test_checkpoint import files, losses  # noqa: E402
from tests.training.test_offline import Numbers  # noqa: E402

ONLINE = [name for name in plugin.names("loss") if hasattr(plugin.load("loss", name), "ADVANTAGE")]
SCRIPT = Path(__file__).with_name("killed_online_run.py")
SETTLED = Limits(off=("kl", "entropy", "gradient", "flat"))
SMALL = {"steps": 4, "prompts": 4, "group": 4, "staleness": 2, "max_new_tokens": 8, "learning_rate": 1e-2, "every": 100}


@pytest.fixture
def run(tiny_llama, tmp_path):
    def one(loss, *, lora=False, judge=None, dtype="float32", prompts=tiny.PROMPTS, folder="run", words=50, **more):
        subject = tiny.subject(tiny_llama(dtype), words=words)
        adapter = adapters.attach(subject.model, adapters.LoRA(rank=4)) if lora else None
        others = {name: more.pop(name) for name in ("sink", "sampler", "release", "judged_by") if name in more}
        one.model = subject.model
        return train(
            subject=subject,
            adapter=adapter,
            prompts=prompts,
            judge=judge or tiny.likes(),
            loss=loss,
            settings=Online(**SMALL | {"limits": SETTLED} | more),
            folder=tmp_path / folder,
            **others,
        )

    return one


@pytest.mark.parametrize("name", ONLINE)
def test_every_loss_of_the_folder_learns_to_say_seven(run, name):
    state = run(plugin.build("loss", name), steps=14, group=8, learning_rate=2e-2)
    rewards = [row["reward"] for row in state.log]
    assert rewards[0] < 0.05
    assert sum(rewards[-4:]) / 4 > 0.1
    assert all(math.isfinite(v) for row in state.log for v in row.values())


def test_the_losses_are_those_of_a_plain_loop_written_by_hand(run, tiny_llama):
    """Two mini-batches of one batch of rollouts; the second sees rollouts that are one step old."""
    state = run(RLOO(mismatch_cap=math.inf), dtype="float64", steps=2, learning_rate=1e-3, clip=1e9)
    subject = tiny.subject(tiny_llama("float64"))
    settings = Online(**SMALL)
    prompts = rollouts.encode(subject, tiny.PROMPTS, most=8)
    drawn = rollouts.sample(
        subject, None, _first(prompts, settings), group=4, first=0, sampling=_sampling(settings, batch=0, attempt=0)
    )
    reward = torch.tensor([j.reward for j in tiny.likes()([r.transcript for r in drawn])], dtype=torch.float64)
    advantage = advantages.leave_one_out(reward, torch.tensor([r.group for r in drawn]))

    def logp(rollout):
        whole = torch.tensor([rollout.prompt.ids + rollout.ids])
        scores = subject.model(input_ids=whole).logits[0].log_softmax(-1)
        return sum(scores[i - 1, whole[0, i]] for i in range(len(rollout.prompt.ids), whole.shape[1]))

    with torch.no_grad():
        old = torch.stack([logp(r) for r in drawn])
    optimizer = torch.optim.AdamW(subject.model.parameters(), lr=1e-3, weight_decay=0.0)
    for step, part in enumerate((slice(0, 8), slice(8, 16))):
        ratio = (torch.stack([logp(r) for r in drawn[part]]) - old[part]).exp()
        low, high = 1 - RLOO().clip_low, 1 + RLOO().clip_high
        clipped = torch.minimum(ratio * advantage[part], ratio.clamp(low, high) * advantage[part])
        loss = -clipped.mean()
        assert state.log[step]["loss"] == pytest.approx(loss.item(), abs=1e-6)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert state.log[0]["reward"] == pytest.approx(reward.mean().item())


def _first(prompts, settings):
    from gnomon.training.online_schedule import choose

    chosen, _ = choose(len(prompts), settings.prompts, cursor=0, seed=settings.seed, suspended={})
    return [prompts[i] for i in chosen]


@pytest.mark.parametrize("lora", [True, False])
def test_rows_split_a_batch_without_changing_a_number(run, lora):
    whole = run(GRPO(beta=0.1), lora=lora, dtype="float64", folder="a")
    split = run(GRPO(beta=0.1), lora=lora, dtype="float64", folder="b", row_tokens=12)
    for one, two in zip(whole.log, split.log, strict=True):
        # Later steps stand on weights that AdamW has moved by rounding alone.
        assert one["loss"] == pytest.approx(two["loss"], abs=1e-12 if one["step"] == 1 else 1e-5)
        assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-5)


def test_the_first_mini_batch_is_on_policy_and_the_later_ones_are_not(run):
    state = run(VESPO(), steps=8, staleness=4)
    ratios = [row["ratio_max"] for row in state.log]
    assert ratios[0] == ratios[4] == 1.0, "to the last bit"
    assert ratios[3] != 1.0


def test_the_reference_is_the_start_with_an_adapter_and_with_all_weights(run):
    for lora in (True, False):
        state = run(RLOO(), lora=lora, folder=f"{lora}", measure_kl=True, steps=6)
        kl = [row["kl"] for row in state.log]
        assert kl[0] == kl[1] == 0.0
        assert kl[4] > 0.0


def test_a_divergence_in_the_reward_holds_the_policy(run):
    free = run(RLOO(), folder="free", measure_kl=True, steps=16)
    held = run(RLOO(), folder="held", kl=1.0, steps=16)
    assert held.log[-1]["kl"] < 0.5 * free.log[-1]["kl"]
    adaptive = run(RLOO(), folder="adaptive", kl=0.01, kl_target=1e-6, steps=16)
    assert adaptive.log[-1]["kl_weight"] == pytest.approx(0.01 * 0.98 * 1.02**6, rel=1e-9), "first 0, then ever above"


def test_numbers_go_to_the_sink(run):
    sink = Numbers()
    state = run(PPO(), sink=sink, steps=6, every=2)
    assert sink["loss"] == [row["loss"] for row in state.log]
    assert sink["progress"][-1] == 1.0
    assert sink["time_left"][-1] == 0.0
    assert len(sink["speed"]) == 6
    assert len(sink["rollouts"]) == len(sink["sampled_tokens"]) == 3
    for name in ("entropy", "length", "reward", "clip_fraction", "value_loss", "cut", "unscored"):
        assert len(sink[name]) == 6
    assert [c.step for c in state.checkpoints] == [2, 4, 6]
    assert heads.attached(run.model) is None, "the critic is gone when the training is over"


def test_a_finished_run_is_read_back_and_another_judge_is_another_run(run):
    state = run(VESPO(), judged_by="seven")
    assert run(VESPO(), judged_by="seven") == state
    with pytest.raises(TrainingError, match="another folder"):
        run(VESPO(), judged_by="eight")


def test_a_norm_is_not_bought_whatever_breaking_pays(run):
    ends = []
    for paid in (0.0, 1e6):
        state = run(VESPO(), folder=f"{paid}", judge=tiny.likes("w7", broken="w8", paid=paid), steps=12)
        ends.append(state.checkpoints[-1].weights)
    assert ends[0] == ends[1], "the same weights to the last bit"


def test_a_latch_is_on_the_disk_at_once_and_a_person_opens_it(run):
    def judge(transcripts):
        return [Judged(reward=float(len(t.reply)), broken={"n": t.request == "w14"}) for t in transcripts]

    sink = Numbers()
    state = run(VESPO(), judge=judge, norms="latch", sink=sink, steps=2)
    held = tiny.PROMPTS[2].id
    assert state.more["latch"]["suspended"] == {held: "n"}
    assert sink["suspended"][-1] == 1.0

    def every(transcripts):
        return [Judged(reward=float(len(t.reply)), broken={"n": True}) for t in transcripts]

    with pytest.raises(TrainingError, match="all 4 prompts are suspended"):
        run(VESPO(), judge=every, norms="latch", folder="all")
    with pytest.raises(TrainingError, match="all 4 prompts are suspended"):
        run(VESPO(), judge=every, norms="latch", folder="all")
    state = run(VESPO(), judge=tiny.likes(), norms="latch", folder="all", release=[p.id for p in tiny.PROMPTS])
    assert [row["step"] for row in state.log] == [1, 2, 3, 4]
    assert state.log[1]["suspended"] == 4.0
    assert state.log[2]["suspended"] == 0.0


def test_replies_of_another_model_train_too(run):
    sampler = ScriptedModel(default="w7 w7")
    judge = tiny.likes()

    def uneven(transcripts):
        return [Judged(reward=j.reward + i % 2) for i, j in enumerate(judge(transcripts))]

    state = run(VESPO(), sampler=sampler, judge=uneven)
    assert state.log[0]["length"] == 3.0
    assert state.log[0]["sampler_k3"] == 0.0


@pytest.mark.parametrize(
    ("error", "words", "more"),
    [
        (DataError, "no prompts", {"prompts": []}),
        (ModelError, "holds the token 59, but tiny knows 50", {"prompts": tiny.asked("w59"), "words": 60}),
        (ModelError, r"a reply of 63 it does not fit", {"max_new_tokens": 63}),
        (SettingsError, "group must be at least 2", {"group": 1, "staleness": 1}),
        (SettingsError, "fixed examples; train it with the offline", {"loss": DPO()}),
        (SettingsError, "compares no groups", {"loss": PPO(), "dynamic_sampling": 1}),
        (
            TrainingError,
            "all earned the same",
            {"dynamic_sampling": 2, "judge": lambda ts: [Judged(reward=1.0)] * len(ts)},
        ),
        (
            TrainingError,
            r"step 3: for 3 steps all rollouts of each prompt have earned the same \(lately 1\)",
            {"limits": Limits(flat=3), "judge": lambda ts: [Judged(reward=1.0)] * len(ts)},
        ),
        (
            TrainingError,
            r"none of 16 rollouts could be scored \(offline\)",
            {"judge": lambda ts: [Judged(reward=None, reason="offline")] * len(ts)},
        ),
        (
            TrainingError,
            r"step \d+: .*learning_rate \(now 10000\)",
            {"learning_rate": 1e4, "clip": 1e9, "steps": 60, "limits": Limits(off=("flat",))},
        ),
    ],
)
def test_what_goes_wrong_is_said_with_what_to_change(run, error, words, more):
    with pytest.raises(error, match=words):
        run(more.pop("loss", VESPO()), **more)


def test_unscored_rollouts_are_counted_and_nothing_becomes_not_a_number(run):
    judge = tiny.likes()

    def partly(transcripts):
        return [j if i % 3 else Judged(reward=None, reason="no") for i, j in enumerate(judge(transcripts))]

    for loss in (GRPO(), PPO()):
        state = run(loss, judge=partly, folder=type(loss).__name__)
        assert state.log[0]["unscored"] == 6.0
        assert all(math.isfinite(v) for row in state.log for v in row.values())


@pytest.fixture(scope="module")
def killed():
    """Runs a training in its own process; returns the exit code, minus the signal if it was killed."""
    with subprocess.Popen([sys.executable, str(SCRIPT)], stdin=-1, stdout=-1, text=True) as server:

        def one(folder, kill_at=0, weights="lora"):
            folder.mkdir(exist_ok=True)
            print(folder, kill_at, weights, 0, file=server.stdin, flush=True)
            return int(server.stdout.readline())

        yield one
        server.stdin.close()


@pytest.mark.parametrize("weights", ["lora", "full"])
def test_a_killed_run_goes_on_with_identical_losses_and_files(tmp_path, killed, weights):
    """Four steps a batch of rollouts: killed in the middle of one, at its end, and after the first step of another."""
    assert killed(tmp_path / "whole", weights=weights) == 0
    for kill_at in (2, 4, 9, 12):
        assert killed(tmp_path / "cut", kill_at, weights) == -signal.SIGKILL
    assert killed(tmp_path / "cut", weights=weights) == 0
    whole, cut = losses(tmp_path / "whole"), losses(tmp_path / "cut")
    assert sorted(whole) == list(range(1, 14))
    assert cut == whole
    assert all(len(values) == 1 for values in cut.values())
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def several(folder, weights):
    folder.mkdir()
    return torchrun(SCRIPT, folder, weights)


@pytest.mark.slow
def test_two_processes_share_sampling_and_training_and_give_the_losses_of_one(tmp_path, killed):
    assert killed(tmp_path / "one") == 0
    done = several(tmp_path / "two", "lora")
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = ({s: float(*v) for s, v in losses(tmp_path / name).items()} for name in ("one", "two"))
    assert sorted(two) == list(range(1, 14)), "one process reports"
    assert [two[s] for s in range(1, 5)] == pytest.approx([one[s] for s in range(1, 5)], abs=1e-4)
    assert two == pytest.approx(one, abs=1e-2), "the same rollouts, and rounding that has grown for nine steps"


@pytest.mark.slow
def test_all_weights_in_pieces_are_sampled_from_as_if_they_were_whole(tmp_path, killed):
    assert killed(tmp_path / "one", weights="full") == 0
    done = several(tmp_path / "two", "full")
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = ({s: float(*v) for s, v in losses(tmp_path / name).items()} for name in ("one", "two"))
    assert two[1] == pytest.approx(one[1], abs=1e-4)
    # The divergence from a reference in one piece is 1e-7 instead of 0; Adam moves by its sign where nothing else is.
    assert [two[s] for s in range(2, 5)] == pytest.approx([one[s] for s in range(2, 5)], abs=1e-3)
    assert sorted(two) == list(range(1, 14))
