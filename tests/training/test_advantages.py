import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.advantages import gae, group_centred, group_relative, leave_one_out, whiten  # noqa: E402

rewards = st.lists(st.tuples(st.floats(-100, 100), st.integers(0, 3)), min_size=1, max_size=12)
lengths = st.lists(st.integers(1, 9), min_size=1, max_size=4)
METHODS = (group_centred, group_relative, leave_one_out)


def tensors(rows):
    reward, group = zip(*rows, strict=True)
    return torch.tensor(reward, dtype=torch.float64), torch.tensor(group)


def by_group(rows, formula):
    found = [0.0] * len(rows)
    for name in {g for _, g in rows}:
        members = [i for i, (_, g) in enumerate(rows) if g == name]
        for i, value in zip(members, formula([rows[i][0] for i in members]), strict=True):
            found[i] = value
    return found


@given(rows=rewards)
@settings(deadline=None)
def test_leave_one_out_is_the_mean_of_the_others_and_a_rescaled_centred_reward(rows):
    def others(r):
        return [0.0 if len(r) == 1 else x - (sum(r[:i]) + sum(r[i + 1 :])) / (len(r) - 1) for i, x in enumerate(r)]

    reward, group = tensors(rows)
    out = leave_one_out(reward, group)
    assert out.tolist() == pytest.approx(by_group(rows, others), abs=1e-9)
    size = torch.tensor([sum(g == h for _, h in rows) for _, g in rows], dtype=torch.float64)
    torch.testing.assert_close(out, group_centred(reward, group) * size / (size - 1).clamp(min=1), rtol=1e-12, atol=0)


@given(rows=rewards, eps=st.floats(1e-6, 1))
@settings(deadline=None)
def test_group_relative_is_centred_over_the_standard_deviation_of_a_sample(rows, eps):
    reward, group = tensors(rows)
    spread = torch.tensor(
        by_group(rows, lambda r: [float(torch.tensor(r).double().std()) if len(r) > 1 else 0.0] * len(r))
    )
    expected = group_centred(reward, group) / (spread.double() + eps)
    torch.testing.assert_close(group_relative(reward, group, eps), expected, rtol=1e-4, atol=1e-9)


@given(rows=rewards, shift=st.floats(-50, 50))
@settings(deadline=None)
def test_groups_do_not_see_each_other_sum_to_zero_and_ignore_a_shift(rows, shift):
    reward, group = tensors(rows)
    for method in METHODS:
        out = method(reward, group)
        assert torch.isfinite(out).all()
        for name in group.unique():
            mine = group == name
            torch.testing.assert_close(out[mine], method(reward[mine], group[mine]), rtol=1e-9, atol=1e-9)
            assert out[mine].sum().item() == pytest.approx(0, abs=1e-7)
        torch.testing.assert_close(
            group_centred(reward + shift, group), group_centred(reward, group), rtol=0, atol=1e-9
        )


@pytest.mark.parametrize("method", METHODS)
@given(value=st.floats(-1e6, 1e6), size=st.integers(1, 7))
@settings(deadline=None)
def test_a_group_of_one_and_equal_rewards_are_exact_zeros(method, value, size):
    reward = torch.full((size,), value, dtype=torch.float32)
    assert method(reward, torch.zeros(size, dtype=torch.int64)).tolist() == [0.0] * size


@given(lengths=lengths, gamma=st.floats(0, 1), lam=st.floats(0, 1), seed=st.integers(0, 999))
@settings(deadline=None)
def test_gae_equals_the_recursion_run_backwards(lengths, gamma, lam, seed):
    draw = torch.Generator().manual_seed(seed)
    owner = torch.cat([torch.full((n,), b) for b, n in enumerate(lengths)])
    reward, value = (torch.randn(len(owner), generator=draw, dtype=torch.float64) for _ in range(2))
    expected = [0.0] * len(owner)
    for t in reversed(range(len(owner))):
        inside = t + 1 < len(owner) and owner[t + 1] == owner[t]
        following = (value[t + 1].item(), expected[t + 1]) if inside else (0.0, 0.0)
        expected[t] = (reward[t] + gamma * following[0] - value[t]).item() + gamma * lam * following[1]
    advantage, returns = gae(reward, value, owner, gamma=gamma, lam=lam)
    assert advantage.tolist() == pytest.approx(expected, abs=1e-10)
    torch.testing.assert_close(returns - advantage, value, atol=1e-12, rtol=0)


def test_gae_at_its_two_ends():
    reward = torch.tensor([0.0, 0.0, 1.0, 0.0, 2.0])
    value = torch.tensor([0.5, 0.25, 0.125, 1.0, 1.0], requires_grad=True)
    owner = torch.tensor([0, 0, 0, 1, 1])
    monte_carlo, returns = gae(reward, value, owner, gamma=1.0, lam=1.0)
    assert returns.tolist() == pytest.approx([1, 1, 1, 2, 2])
    assert monte_carlo.tolist() == pytest.approx([0.5, 0.75, 0.875, 1, 1])
    one_step, _ = gae(reward, value, owner, gamma=1.0, lam=0.0)
    assert one_step.tolist() == pytest.approx([-0.25, -0.125, 0.875, 0, 1])
    assert not monte_carlo.requires_grad


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20))
@settings(deadline=None)
def test_whitened_has_mean_zero_and_variance_one_or_is_all_zero(values):
    out = whiten(torch.tensor(values, dtype=torch.float64))
    assert torch.isfinite(out).all()
    assert out.mean().item() == pytest.approx(0, abs=1e-6)
    if torch.tensor(values).var(correction=0) > 1e-2:
        assert out.var().item() == pytest.approx(1, abs=1e-4)
    elif len(set(values)) == 1:
        assert out.tolist() == [0.0] * len(values)


def test_what_cannot_be_read_is_refused():
    with pytest.raises(SettingsError, match="3 rewards, but 2 groups"):
        group_centred(torch.zeros(3), torch.zeros(2))
    with pytest.raises(SettingsError, match="order the batch"):
        gae(torch.zeros(3), torch.zeros(3), torch.tensor([0, 1, 0]), gamma=1, lam=1)
