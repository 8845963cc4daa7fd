"""Draws against the probabilities they should follow, and against transformers' own nucleus."""

import random

import pytest

torch = pytest.importorskip("torch")

from scipy.stats import chisquare  # noqa: E402
from transformers import TopPLogitsWarper  # noqa: E402

from gnomon.core.protocols import Sampling  # noqa: E402
from gnomon.models import sampling  # noqa: E402

LOGITS = torch.tensor([2.0, -1.0, 0.5, 0.0, float("-inf"), 1.0, -3.0])


class Fixed(random.Random):
    """A stream whose next number is known."""

    def __init__(self, number: float) -> None:
        super().__init__(0)
        self.number = number

    def random(self) -> float:
        return self.number


def test_greedy_is_argmax_and_draws_nothing() -> None:
    stream = random.Random(1)
    before = stream.getstate()
    assert sampling.pick(torch.stack((LOGITS, -LOGITS.clamp(min=-9))), [stream, stream], Sampling())[0] == [0, 4]
    assert stream.getstate() == before


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_follow_the_softmax(temperature: float) -> None:
    draws = 20_000
    rows = [random.Random(i) for i in range(draws)]
    asked = Sampling(temperature=temperature)
    drawn = torch.tensor(sampling.pick(LOGITS.expand(draws, -1), rows, asked)[0]).bincount(minlength=7)
    want = (LOGITS.double() / temperature).softmax(-1)
    possible = want > 0
    assert drawn[4] == 0
    assert chisquare(drawn[possible].numpy(), (want[possible] * draws).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.8, 0.95, 0.9999])
def test_the_nucleus_is_that_of_transformers(top_p: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # Fewer first candidates than the nucleus needs, so that it has to grow.
    monkeypatch.setattr(sampling, "FIRST_CANDIDATES", 4)
    logits_BV = torch.randn(3, 500, generator=torch.Generator().manual_seed(0))
    kept = TopPLogitsWarper(top_p)(None, logits_BV.clone()).isfinite()
    rows = [Fixed(u / 400) for u in range(400)]
    for logits_V, kept_V in zip(logits_BV, kept, strict=True):
        drawn = sampling.pick(logits_V.expand(400, -1), rows, Sampling(temperature=1.0, top_p=top_p))[0]
        assert set(drawn) <= set(kept_V.nonzero()[:, 0].tolist())
        assert drawn[0] == int(logits_V.argmax()), "the nucleus is laid out from the most likely token on"


@pytest.mark.parametrize("top_p", [1.0, 0.5])
@pytest.mark.parametrize("number", [0.0, 1 - 2**-53])
def test_the_ends_of_the_interval_are_possible_tokens(number: float, top_p: float) -> None:
    logits = torch.full((1, 49152), -torch.inf)
    logits[0, 100:30000] = torch.randn(29900, generator=torch.Generator().manual_seed(1))
    (token,), _ = sampling.pick(logits, [Fixed(number)], Sampling(temperature=1.0, top_p=top_p))
    assert 100 <= token < 30000


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_p", [1.0, 0.7])
def test_log_probabilities_are_those_of_the_sampler(temperature: float, top_p: float) -> None:
    logits_BV = torch.randn(200, 300, generator=torch.Generator().manual_seed(2))
    rows = [random.Random(i) for i in range(200)]
    tokens, logp = sampling.pick(logits_BV, rows, Sampling(temperature=temperature, top_p=top_p))
    scores_BV = logits_BV.double() / (temperature or 1.0)
    if temperature:
        scores_BV = TopPLogitsWarper(top_p)(None, scores_BV)
    want = scores_BV.log_softmax(-1)[torch.arange(200), tokens]
    torch.testing.assert_close(torch.tensor(logp).double(), want, rtol=0, atol=1e-5)


def test_streams_are_named_by_id_and_copy() -> None:
    first, other, copy = (s.random() for s in sampling.streams(["a", "b", "a"], seed=1))
    assert len({first, other, copy}) == 3
    assert [s.random() for s in sampling.streams(["a", "a"], seed=1)] == [first, copy]
    assert sampling.streams(["a"], seed=2)[0].random() != first
