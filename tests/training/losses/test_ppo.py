import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.batches import ActorCriticBatch  # noqa: E402
from gnomon.training.losses.dapo import DAPO  # noqa: E402
from gnomon.training.losses.ppo import PPO  # noqa: E402

from . import rollout_cases as cases  # noqa: E402

values = st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))


def made(rows, seen):
    size = sum(len(tokens) for _, tokens in rows)
    value, old, returns = zip(*(seen * size)[:size], strict=True)
    return cases.batch(rows, ActorCriticBatch, value_K=value, old_value_K=old, return_K=returns)


def padded(batch, *, clip, value_clip, value_weight):
    """As trainers of padded batches write it: rollouts as rows, a mask, masked means; any padding gives the same."""
    count = torch.bincount(batch.owner_K).tolist()
    size, width = len(count), max(count) + 2
    mask = torch.zeros(size, width, dtype=torch.float64)
    place = [(b, t) for b, n in enumerate(count) for t in range(n)]
    rows, columns = (torch.tensor(x) for x in zip(*place, strict=True))
    mask[rows, columns] = 1

    def wide(x):
        return torch.full((size, width), 7.0, dtype=torch.float64).index_put((rows, columns), x)

    def masked_mean(x):
        return (x * mask).sum() / mask.sum()

    ratio, advantage = torch.exp(wide(batch.logp_K) - wide(batch.old_logp_K)), wide(batch.advantage_K)
    policy = torch.max(-advantage * ratio, -advantage * torch.clamp(ratio, 1 - clip, 1 + clip))
    value, old, returns = wide(batch.value_K), wide(batch.old_value_K), wide(batch.return_K)
    held = torch.clamp(value, old - value_clip, old + value_clip)
    error = 0.5 * masked_mean(torch.max((value - returns) ** 2, (held - returns) ** 2))
    return masked_mean(policy) + value_weight * error


@given(cases.rollouts, st.lists(values, min_size=1, max_size=6), st.floats(0, 0.9), st.floats(0.01, 2), st.floats(0, 1))
@settings(deadline=None)
def test_value_and_gradient_equal_those_of_the_padded_form(rows, seen, clip, value_clip, value_weight):
    rows = [(a, [(logp, old, 0.0, ref) for logp, old, _, ref in tokens]) for a, tokens in rows]
    found = []
    for form in (PPO(clip_low=clip, clip_high=clip, value_clip=value_clip, value_weight=value_weight), None):
        batch = made(rows, seen)
        loss = (
            form(batch=batch).loss
            if form
            else padded(batch, clip=clip, value_clip=value_clip, value_weight=value_weight)
        )
        found.append((loss, *torch.autograd.grad(loss, (batch.logp_K, batch.value_K), allow_unused=True)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@given(cases.rollouts)
@settings(deadline=None)
def test_without_a_critic_it_is_the_token_clip_of_dapo(rows):
    out = PPO(clip_high=0.28, value_weight=0.0)(batch=made(rows, [(0.0, 0.0, 0.0)]))
    assert out.loss.item() == pytest.approx(DAPO()(batch=cases.batch(rows)).loss.item(), rel=1e-12, abs=1e-15)


def test_a_value_that_moved_too_far_towards_its_return_is_stopped_and_one_that_moved_away_is_not():
    rows = [(0.0, [(-1.0, 0.0, 0.0, 0.0)] * 3)]
    batch = made(rows, [(0.5, 0.0, 1.0), (-0.5, 0.0, 1.0), (0.1, 0.0, 1.0)])
    out = PPO(value_weight=1.0)(batch=batch)
    (gradient,) = torch.autograd.grad(out.loss, batch.value_K)
    assert gradient.tolist() == pytest.approx([0.0, -1.5 / 3, -0.9 / 3])
    assert out.metrics["value_clip_fraction"] == pytest.approx(1 / 3)


def test_a_critic_is_judged_by_the_variance_that_it_explains():
    rows = [(1.0, [(-1.0, 0.0, 0.0, 0.0)] * 4)]
    returns = (0.0, 1.0, 2.0, 3.0)
    for value, share in ((returns, 1.0), ((5.0,) * 4, 0.0), (tuple(-r for r in returns), -3.0)):
        batch = cases.batch(rows, ActorCriticBatch, value_K=value, old_value_K=value, return_K=returns)
        assert PPO()(batch=batch).metrics["explained_variance"] == pytest.approx(share)


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="'ppo': value_clip"):
        PPO(value_clip=-0.1)
