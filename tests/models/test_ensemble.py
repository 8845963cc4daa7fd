import pytest

torch = pytest.importorskip("torch")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.core.types import Message, Transcript  # noqa: E402
from gnomon.models import heads  # noqa: E402
from gnomon.models.ensemble import Ensemble, combine  # noqa: E402
from gnomon.models.reward_model import Calibration, RewardModel  # noqa: E402
from gnomon.scoring import judge  # noqa: E402

RULES = ("mean", "worst_case", "uncertainty_weighted")
TALKS = [Transcript((Message("user", "3 4"), Message("assistant", reply))) for reply in ("5 6", "7", "8 9 10", "")]

rewards = (
    st.integers(1, 5)
    .flatmap(
        lambda members: st.lists(
            st.lists(st.floats(-5, 5, width=32), min_size=members, max_size=members), min_size=1, max_size=4
        )
    )
    .map(lambda rows: torch.tensor(rows, dtype=torch.float64).T)
)


@pytest.fixture(scope="module")
def members(tiny_chat):
    def one(seed):
        local = tiny_chat("float64", seed)
        with torch.no_grad():
            heads.attach(local.model, features=1, seed=seed).weight.mul_(20)
        return RewardModel(local=local, calibration=Calibration(mean=0.1 * seed, deviation=1.0 + seed))

    return tuple(map(one, range(3)))


def test_closed_forms():
    reward_MB = torch.tensor([[1.0, -2.0], [2.0, -2.0], [6.0, -2.0]], dtype=torch.float64)
    assert combine(reward_MB, "mean", 9.0).tolist() == [3.0, -2.0]
    assert combine(reward_MB, "worst_case", 9.0).tolist() == [1.0, -2.0]
    # Variance (4 + 1 + 9) / 3.
    assert combine(reward_MB, "uncertainty_weighted", 0.3).tolist() == pytest.approx([3 - 0.3 * 14 / 3, -2.0])


@given(rewards=rewards, strength=st.floats(0, 3))
def test_doubt_never_raises_a_reward_and_agreement_costs_nothing(rewards, strength):
    mean, worst, weighted = (combine(rewards, rule, strength) for rule in RULES)
    assert (worst <= mean + 1e-9).all()
    assert (weighted <= mean + 1e-9).all()
    same = rewards[:1].expand_as(rewards)
    shifted = rewards + 2.5
    for rule in RULES:
        torch.testing.assert_close(combine(same, rule, strength), rewards[0], atol=1e-9, rtol=0)
        torch.testing.assert_close(combine(rewards.flip(0), rule, strength), combine(rewards, rule, strength))
        torch.testing.assert_close(
            combine(shifted, rule, strength), combine(rewards, rule, strength) + 2.5, atol=1e-9, rtol=0
        )
    assert torch.equal(combine(rewards, "uncertainty_weighted", 0.0), mean)


@pytest.mark.parametrize("rule", RULES)
def test_an_ensemble_of_one_is_its_member(members, rule):
    alone = Ensemble(members=members[:1], rule=rule)
    torch.testing.assert_close(alone.standardised(TALKS), members[0].standardised(TALKS))
    for talk in TALKS:
        assert judge.score(alone, talk).value == pytest.approx(members[0].score(transcript=talk).value, abs=1e-12)


def test_members_are_standardised_before_they_are_combined(members):
    each = torch.stack([(m.rewards(TALKS) - m.calibration.mean) / m.calibration.deviation for m in members])
    for rule, wanted in zip(
        RULES, (each.mean(0), each.amin(0), each.mean(0) - 0.5 * each.var(0, correction=0)), strict=True
    ):
        ensemble = Ensemble(members=members, rule=rule)
        torch.testing.assert_close(ensemble.standardised(TALKS), wanted)
        values = [judge.score(ensemble, talk).value for talk in TALKS]
        assert values == pytest.approx(torch.sigmoid(wanted).tolist(), abs=1e-12)
    mixed = [TALKS[0], Transcript((Message("user", "3"),)), TALKS[1]]
    together = judge.scores(Ensemble(members=members), mixed)
    assert [s.value is None for s in together] == [False, True, False]
    assert together[2].value == pytest.approx(Ensemble(members=members).score(transcript=TALKS[1]).value, abs=1e-12)
    unanswered = Ensemble(members=members).score(transcript=Transcript((Message("user", "3"),)))
    assert unanswered.value is None
    assert unanswered.reason
    assert Ensemble(members=members).identity["name"] == "mean of tiny, tiny, tiny"


@pytest.mark.parametrize("wrong", [{"members": ()}, {"rule": "best"}, {"strength": -1.0}])
def test_what_cannot_be_an_ensemble_is_refused(members, wrong):
    with pytest.raises(SettingsError):
        Ensemble(**{"members": members, **wrong})
