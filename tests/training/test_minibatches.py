import math

import pytest

torch = pytest.importorskip("torch")

from gnomon.core import plugin  # noqa: E402
from gnomon.training import minibatches, norms  # noqa: E402
from gnomon.training.gather import Progress  # noqa: E402
from gnomon.training.judged import Judged  # noqa: E402
from gnomon.training.norms import Lagrangian  # noqa: E402
from gnomon.training.online_schedule import Online  # noqa: E402
from gnomon.training.rollouts import Prompt, Rollout  # noqa: E402
from tests.training import tiny  # noqa: E402

PROGRESS = Progress(kl=0.0, multiplier=norms.begin(Lagrangian()))
PROMPT = Prompt(transcript=tiny.PROMPTS[0], ids=(10, 11))


def pairs(known=True):
    made = []
    for i, ids in enumerate([(1, 3), (4, 5, 6), (7,), (8, 9, 1, 2)]):
        logp = tuple(-0.5 - 0.1 * t for t in range(len(ids))) if known else None
        rollout = Rollout(prompt=PROMPT, group=i // 2, ids=ids, logp=logp, cut=False, transcript=PROMPT.transcript)
        made.append((rollout, Judged(reward=float(i))))
    return made


class Outputs:
    """Counts how often it is asked; says -1, -2, -3, … token after token."""

    def __init__(self, width=0):
        self.calls, self.width = 0, width

    def __call__(self, packs):
        self.calls += 1
        flat = -torch.arange(1.0, 1 + sum(len(p.target_K) for p in packs))
        return torch.stack([flat, flat / 10], dim=1) if self.width else flat


def make(name="grpo", known=True, reference=None, settings=None, **loss):
    policy = Outputs(width=int(name == "ppo"))
    built = plugin.build("loss", name, loss)
    parts, numbers = minibatches.make(
        pairs(known),
        PROGRESS,
        loss=built,
        settings=Online(**{"max_new_tokens": 4, "prompts": 2, "group": 2} | (settings or {})),
        policy=policy,
        reference=reference,
    )
    return built, parts, numbers, policy.calls


def test_one_update_needs_no_pass_for_old_log_probabilities():
    loss, (part,), numbers, calls = make()
    assert calls == 0
    assert numbers["entropy"] == pytest.approx(0.6)
    out = minibatches.loss_on(loss, part, torch.full((10,), -0.7, requires_grad=True))
    assert out.metrics["ratio_max"] == 1.0
    assert out.metrics["sampler_k3"] > 0, "what the sampler said is kept apart"


@pytest.mark.parametrize("settings", [{"staleness": 2}, {"passes": 2}])
def test_several_updates_keep_the_old_ones(settings):
    _, parts, _, calls = make(settings=settings)
    assert calls == 1
    assert torch.cat([p.columns["old_logp_K"] for p in parts]).tolist() == [-float(i) for i in range(1, 11)]


def test_without_the_samplers_word_it_is_taken_for_the_trainers():
    loss, (part,), numbers, calls = make(known=False)
    assert calls == 1
    assert numbers["entropy"] == pytest.approx(5.5)
    assert minibatches.loss_on(loss, part, part.columns["old_logp_K"].clone()).metrics["sampler_k3"] == 0


def test_every_part_has_its_own_owners_limits_and_rows():
    _, parts, _, _ = make(settings={"staleness": 3, "row_tokens": 4})
    assert [p.columns["owner_K"].tolist() for p in parts] == [[0, 0], [0, 0, 0], [0, 1, 1, 1, 1]]
    assert [p.columns["limit_B"].tolist() for p in parts] == [[4], [4], [4, 4]]
    for part in parts:
        told = torch.cat([packed.target_K for packed in part.packs])
        assert len(told) == len(part.columns["advantage_K"])
    assert [i for p in parts for packed in p.packs for i in packed.target_K.tolist()] == [1, 3, 4, 5, 6, 7, 8, 9, 1, 2]


def test_a_reference_is_run_only_if_something_reads_it_and_gives_the_divergence():
    loss, (part,), numbers, calls = make(reference=Outputs(), beta=0.1)
    assert calls == 1
    assert numbers["kl"] == 0.0
    assert numbers["kl_weight"] == 0.0
    assert math.isfinite(minibatches.loss_on(loss, part, torch.full((10,), -0.7)).loss.item())
    blank, (plain,), numbers, _ = make(beta=0.1)
    assert "kl" not in numbers
    assert math.isnan(minibatches.loss_on(blank, plain, torch.full((10,), -0.7)).loss.item()), "found out, not guessed"


def test_a_critic_reads_both_columns():
    loss, (part,), _, calls = make("ppo")
    assert calls == 1
    assert part.columns["old_value_K"].tolist() == pytest.approx([-i / 10 for i in range(1, 11)])
    output = torch.stack([part.columns["old_logp_K"], torch.zeros(10)], dim=1).requires_grad_(True)
    (grad,) = torch.autograd.grad(minibatches.loss_on(loss, part, output).loss, output)
    assert (grad[:, 1] != 0).any()
