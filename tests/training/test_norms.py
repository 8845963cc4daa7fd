import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from gnomon.core.canonical import from_builtins, to_builtins  # noqa: E402
from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training import advantages, norms  # noqa: E402
from gnomon.training.norms import Lagrangian, Latch, Multiplier  # noqa: E402

ROLLOUTS = st.lists(st.tuples(st.floats(-10, 10), st.booleans()), min_size=6, max_size=6)
GROUPS = torch.tensor([0, 0, 0, 1, 1, 1])


def test_the_mask_pushes_down_or_leaves_alone_but_never_up():
    advantage = torch.tensor([2.0, -1.0, 0.5, -3.0])
    broken = torch.tensor([True, True, False, False])
    assert norms.mask(advantage, broken).tolist() == [0.0, -1.0, 0.5, -3.0]


def masked_gradient(reward, broken, estimate):
    """The step of a softmax policy over six actions, each drawn once, under the mask."""
    logits = torch.linspace(-1, 1, 6, dtype=torch.float64).requires_grad_(True)
    priceless = norms.unpriced(torch.tensor(reward, dtype=torch.float64), GROUPS, torch.tensor(broken))
    advantage = norms.mask(estimate(priceless, GROUPS), torch.tensor(broken))
    return torch.autograd.grad(-(advantage * logits.log_softmax(0)).sum(), logits)[0]


@pytest.mark.parametrize("estimate", [advantages.group_relative, advantages.group_centred, advantages.leave_one_out])
@given(rollouts=ROLLOUTS, bonus=st.floats(-1e6, 1e6))
def test_no_bonus_for_breaking_moves_any_gradient(estimate, rollouts, bonus):
    reward, broken = [r for r, _ in rollouts], [b for _, b in rollouts]
    paid = [r + bonus * b for r, b in rollouts]
    before, after = masked_gradient(reward, broken, estimate), masked_gradient(paid, broken, estimate)
    assert torch.equal(before, after), "the very same bits, whatever breaking pays"


@given(rollouts=ROLLOUTS)
def test_kept_rollouts_keep_their_reward_and_broken_ones_never_exceed_them(rollouts):
    reward = torch.tensor([r for r, _ in rollouts], dtype=torch.float64)
    broken = torch.tensor([b for _, b in rollouts])
    out = norms.unpriced(reward, GROUPS, broken)
    assert torch.equal(out[~broken], reward[~broken])
    for group in (0, 1):
        kept = out[(group == GROUPS) & ~broken]
        assert (out[(group == GROUPS) & broken] == (kept.min() if len(kept) else 0.0)).all()


def test_without_the_replacement_a_bonus_would_reach_the_others():
    """Why `unpriced` stands before the advantage: the mask alone leaves the price in the baseline."""
    broken = torch.tensor([True, False, False, True, False, False])
    for bonus, pushed_down in ((0.0, 0), (100.0, 4)):
        advantage = norms.mask(advantages.group_centred(bonus * broken.double(), GROUPS), broken)
        assert int((advantage < 0).sum()) == pushed_down


def test_multiplier_follows_the_closed_form_and_its_cap():
    settings = Lagrangian(limit=0.0, window=4)
    first = norms.update(norms.begin(settings), [1.0, 0.0], settings)
    assert first.log == pytest.approx(0.1 * 0.5 * 1.0)
    second = norms.update(first, [-1.0, -1.0, -1.0], settings)
    assert second.costs == (0.0, -1.0, -1.0, -1.0), "the last four"
    assert second.log == pytest.approx(first.log - 0.1 * 0.75 * math.exp(first.log))
    for _ in range(200):
        second = norms.update(second, [1.0] * 4, settings)
    assert second.value == pytest.approx(5.0)
    assert norms.update(second, [], settings) == second
    assert from_builtins(to_builtins(second), Multiplier) == second


@given(st.floats(0, 5))
def test_combined_advantage_is_as_long_as_its_parts(multiplier):
    reward = torch.tensor([1.0, -1.0], dtype=torch.float64)
    assert torch.allclose(norms.combine(reward, -reward, multiplier), reward), "cost falls with reward: no conflict"
    assert norms.combine(reward, reward, 1.0).abs().max() == 0, "at equal weight a breach that pays 1 and costs 1"


@pytest.mark.parametrize("wrong", [{"start": 6.0}, {"rate": 0.0}, {"window": 0}, {"start": 0.0}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(SettingsError, match="lagrangian"):
        Lagrangian(**wrong)


def test_a_latch_keeps_the_first_reason_and_opens_only_by_name():
    latch = Latch().trip({"p1": "privacy"}).trip({"p1": "other", "p2": "fraud"})
    assert latch.suspended == {"p1": "privacy", "p2": "fraud"}
    assert latch.release(["p1", "unknown"]).suspended == {"p2": "fraud"}
    assert from_builtins(to_builtins(latch), Latch) == latch


class Softmax:
    """Three actions: honest (reward .4, cost -1), greedy (1, cost 1), idle (0, -1); exact expected gradients."""

    reward, cost = torch.tensor([0.4, 1.0, 0.0]), torch.tensor([-1.0, 1.0, -1.0])

    def __init__(self, scale):
        self.scale, self.logits = scale, torch.zeros(3)

    def costs(self):
        return float((self.logits.softmax(0) * self.cost).sum())

    def step(self, weigh):
        p = self.logits.softmax(0)
        parts = [p * (x - (p * x).sum()) for x in (self.scale * self.reward, self.cost)]
        # A little entropy, as a KL penalty gives it: the optimum is inside.
        entropy = -p * (p.log() - (p * p.log()).sum())
        self.logits += 0.5 * (weigh(*parts) + 0.05 * entropy)


def test_the_multiplier_holds_the_cost_where_a_fixed_weight_misses_it_when_rewards_double():
    ends = {}
    for scale in (1.0, 2.0):
        bound, fixed, settings = Softmax(scale), Softmax(scale), Lagrangian(window=1)
        multiplier, seen = norms.begin(settings), []
        for _ in range(6000):
            bound.step(lambda r, c, m=multiplier: norms.combine(r, c, m.value))
            multiplier = norms.update(multiplier, [bound.costs()], settings)
            seen.append(bound.costs())
            fixed.step(lambda r, c: norms.combine(r, c, 0.3))
        ends[scale] = (sum(seen[-2000:]) / 2000, fixed.costs())
    assert abs(ends[1.0][0]) < 0.05
    assert abs(ends[2.0][0]) < 0.05
    assert abs(ends[1.0][1] - ends[2.0][1]) > 0.5, "the same weight buys another cost"
    assert abs(ends[2.0][1]) > 0.5
