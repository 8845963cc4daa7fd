from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from gnomon.training import advantages, credit, norms  # noqa: E402
from gnomon.training.gather import Progress  # noqa: E402
from gnomon.training.judged import Judged  # noqa: E402
from gnomon.training.norms import Lagrangian  # noqa: E402
from gnomon.training.online_schedule import Online  # noqa: E402
from gnomon.training.rollouts import Prompt, Rollout  # noqa: E402
from tests.training import tiny  # noqa: E402

PROGRESS = Progress(kl=0.5, multiplier=norms.begin(Lagrangian(start=2.0)))
PROMPT = Prompt(transcript=tiny.PROMPTS[0], ids=(10, 11))
LENGTHS, REWARDS, BROKEN = (2, 1, 3, 1), (1.0, 0.0, 4.0, 2.0), (False, False, True, False)
DIVERGENCE = torch.tensor([0.1, 0.2, -0.4, 0.0, 0.3, 0.1, 1.0])
OWNER = torch.tensor([0, 0, 1, 2, 2, 2, 3])


def pairs(rewards=REWARDS, broken=(False,) * 4, costs=(None,) * 4):
    return [
        (
            Rollout(prompt=PROMPT, group=i // 2, ids=(5,) * n, logp=None, cut=False, transcript=PROMPT.transcript),
            Judged(reward=r, broken={"n": b}, cost=c),
        )
        for i, (n, r, b, c) in enumerate(zip(LENGTHS, rewards, broken, costs, strict=True))
    ]


def assign(made, estimate="group_centred", progress=PROGRESS, divergence=None, value=None, **settings):
    return credit.assign(
        made,
        estimate=estimate,
        settings=Online(**settings),
        progress=progress,
        divergence_K=divergence,
        value_K=value,
    )


def test_a_reply_shares_its_advantage_and_pays_its_divergence_once():
    assert assign(pairs()).advantage_K.tolist() == [0.5, 0.5, -0.5, 1, 1, 1, -1]
    paid = torch.tensor(REWARDS) - 0.5 * torch.tensor([0.3, -0.4, 0.4, 1.0])
    expected = advantages.group_centred(paid.double(), torch.tensor([0, 0, 1, 1]))[OWNER]
    found = assign(pairs(), divergence=DIVERGENCE).advantage_K
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)
    free = assign(pairs(), divergence=DIVERGENCE, progress=replace(PROGRESS, kl=0.0)).advantage_K
    assert torch.equal(free, assign(pairs()).advantage_K), "without a weight it is measured, not charged"


def test_a_critic_gets_the_reward_at_the_end_and_the_divergence_token_by_token():
    value = torch.linspace(-1, 1, 7)
    reward = -0.5 * DIVERGENCE.double()
    reward[[1, 2, 5, 6]] += torch.tensor(REWARDS, dtype=torch.float64)
    expected, returns = advantages.gae(reward, value.double(), OWNER, gamma=0.9, lam=0.8)
    found = assign(pairs(), "gae", divergence=DIVERGENCE, value=value, gamma=0.9, lam=0.8, whiten=False)
    torch.testing.assert_close(found.advantage_K, expected)
    torch.testing.assert_close(found.return_K, returns)
    whitened = assign(pairs(), "gae", divergence=DIVERGENCE, value=value)
    assert whitened.advantage_K.mean() == pytest.approx(0, abs=1e-9)
    assert whitened.advantage_K.std() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("estimate", ["group_relative", "group_centred", "leave_one_out", "gae"])
def test_no_price_for_breaking_reaches_any_token(estimate):
    value = torch.linspace(-1, 1, 7) if estimate == "gae" else None
    ends = [
        assign(pairs(rewards=(1.0, 0.0, price, 2.0), broken=BROKEN), estimate, divergence=DIVERGENCE, value=value)
        for price in (-1e6, 0.0, 4.0, 1e6)
    ]
    assert all(torch.equal(end.advantage_K, ends[0].advantage_K) for end in ends)
    assert (ends[0].advantage_K[3:6] <= 0).all()
    if estimate == "gae":
        assert all(torch.equal(end.return_K, ends[0].return_K) for end in ends), "nor the critic"


def test_a_lagrangian_weighs_costs_against_rewards():
    made = pairs(costs=(1.0, -1.0, 0.0, 0.0))
    found = assign(made, norms="lagrangian").advantage_K
    assert found.tolist() == pytest.approx([(0.5 - 2 * 1) / 3] * 2 + [(-0.5 + 2 * 1) / 3] + [1 / 3] * 3 + [-1 / 3])
    with_critic = assign(made, "gae", value=torch.zeros(7), norms="lagrangian", whiten=False).advantage_K
    free = assign(made, "gae", value=torch.zeros(7), whiten=False).advantage_K
    assert ((with_critic - free / 3) < 0).tolist() == [True] * 2 + [False] * 5, "against the batch's mean cost, 0"


def test_overlong_replies_lose_a_little():
    found = assign(pairs(rewards=(1.0, 1.0, 1.0, 1.0)), max_new_tokens=4, overlong=2).advantage_K
    assert found.tolist() == [0, 0, 0] + [-0.25] * 3 + [0.25]
