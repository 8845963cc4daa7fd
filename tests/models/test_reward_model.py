import json
import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
import scipy.integrate  # noqa: E402
import scipy.stats  # noqa: E402

from gnomon.core.errors import DataError, ModelError, SettingsError  # noqa: E402
from gnomon.core.types import Message, Transcript  # noqa: E402
from gnomon.models import adapters, heads, reward_model  # noqa: E402
from gnomon.models.reward_model import Calibration, Lengths, RewardModel, load, recalibrate  # noqa: E402
from gnomon.scoring import judge  # noqa: E402


def talk(*texts):
    """User and assistant in turn."""
    return Transcript(tuple(Message(("user", "assistant")[i % 2], t) for i, t in enumerate(texts)))


TALKS = [talk("3 4", "5 6"), talk("3 4", "7"), talk("3 4", "5 6", "8", "9 9 9"), talk("10 11 12", "5"), talk("3", "")]


@pytest.fixture
def model(tiny_chat):
    def make(features=1, dtype="float64", seed=0, adapter=False, **settings):
        local = tiny_chat(dtype, seed)
        attached = adapters.attach(local.model) if adapter else None
        with torch.no_grad():
            heads.attach(local.model, features=features, seed=seed).weight.mul_(20)
            for parameter in attached.parameters if attached else ():
                parameter.add_(0.05)
        return RewardModel(local=local, adapter=attached, **settings)

    return make


def by_hand(model, transcript, prompt=None, reply=None):
    """The head on transformers' own last hidden state of the whole conversation."""
    local = model.local
    before = local.encode(Transcript(transcript.messages[:-1]))
    after = local.tokenizer.encode(transcript.reply, add_special_tokens=False)
    ids = before[-prompt:] if prompt else before
    ids = [*ids, *(after[:reply] if reply else after), 0]
    hidden = local.model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1]
    return model.head(hidden[0, -1]).detach()


@pytest.mark.parametrize("features", [1, 2])
def test_outputs_are_the_head_on_the_end_token_however_they_are_packed(model, features, monkeypatch):
    judged = model(features)
    wanted = torch.stack([by_hand(judged, t) for t in TALKS])
    torch.testing.assert_close(judged.outputs(TALKS), wanted, atol=1e-9, rtol=0)
    monkeypatch.setattr(reward_model, "ROW_TOKENS", 6)
    torch.testing.assert_close(judged.outputs(TALKS[::-1]).flip(0), wanted, atol=1e-9, rtol=0)
    assert torch.equal(judged.rewards(TALKS), judged.outputs(TALKS)[:, 0])


def test_it_is_a_dimension(model):
    judged = model(calibration=Calibration(mean=0.2, deviation=0.5))
    for transcript, reward in zip(TALKS, judged.rewards(TALKS).tolist(), strict=True):
        wanted = 1 / (1 + math.exp(-(reward - 0.2) / 0.5))
        assert judge.score(judged, transcript).value == pytest.approx(wanted, abs=1e-9)
    unanswered = judge.score(judged, Transcript((Message("user", "3"),)))
    assert (unanswered.value, judge.breached(unanswered, judged, 0.5)) == (None, None)
    with pytest.raises(DataError, match="transcript 1 has no reward: the conversation does not end with a reply"):
        judged.rewards([TALKS[0], Transcript((Message("user", "3"),))])


def test_several_are_scored_together_and_what_cannot_be_read_says_why(model):
    judged = model()
    odd = [Transcript((Message("user", "3"),)), talk("3", "5 " * 66), Transcript(())]
    mixed = [TALKS[0], odd[0], TALKS[1], *odd[1:], TALKS[2]]
    found = judge.scores(judged, mixed)
    alone = [judged.score(transcript=t).value for t in mixed]
    assert [s.value for s in found] == pytest.approx(alone, abs=1e-12)
    assert [s.value is None for s in found] == [False, True, False, True, True, False]
    assert found[3].reason.startswith("the conversation has 70 tokens, tiny reads 64")
    assert judged.scores(transcripts=[]) == []


def test_lengths_cut_each_part_by_itself(model):
    judged = model(lengths=Lengths(prompt=2, reply=1))
    wanted = torch.stack([by_hand(judged, t, prompt=2, reply=1) for t in TALKS])
    torch.testing.assert_close(judged.outputs(TALKS), wanted, atol=1e-9, rtol=0)
    assert Lengths(prompt=2, reply=1).cut([1, 2, 3], [4, 5, 0]) == ((2, 3), (4, 0))
    assert Lengths().cut([1, 2, 3], [4, 5, 0]) == ((1, 2, 3), (4, 5, 0))
    with pytest.raises(SettingsError, match="from 1 on"):
        Lengths(reply=0)


def test_a_preference_is_bradley_terry_with_temperature(model):
    judged = model(calibration=Calibration(temperature=2.0))
    first, second = TALKS[:2], TALKS[2:4]
    gap = judged.rewards(first) - judged.rewards(second)
    torch.testing.assert_close(judged.preference(first, second), torch.sigmoid(gap / 2))
    torch.testing.assert_close(judged.preference(first, second), 1 - judged.preference(second, first))


@pytest.mark.parametrize(("link", "tolerance"), [("probit", 1e-9), ("logistic", 0.02)])
def test_a_gaussian_preference_is_the_expectation_over_both_rewards(model, link, tolerance):
    judged = model(2, calibration=Calibration(link=link))
    for gap, one, two in [(0.7, -1.0, 0.3), (-3.0, 1.0, 2.0), (2.0, -20.0, -20.0)]:
        outputs = torch.tensor([[[1 + gap, one]], [[1.0, two]]], dtype=torch.float64)
        found = torch.sigmoid(judged.log_odds(outputs[0], outputs[1])).item()
        deviation = math.sqrt(math.exp(one) + math.exp(two))
        squash = scipy.stats.norm.cdf if link == "probit" else lambda x: 1 / (1 + math.exp(-x))
        wanted, _ = scipy.integrate.quad(
            lambda z, gap=gap, deviation=deviation, squash=squash: (
                scipy.stats.norm.pdf(z) * squash(gap + deviation * z)
            ),
            -8,
            8,
        )
        assert found == pytest.approx(wanted, abs=tolerance)


@pytest.mark.parametrize("adapter", [False, True])
def test_a_folder_gives_the_same_rewards_and_everything_that_belongs_to_them(model, tmp_path, adapter):
    judged = model(
        2,
        "float32",
        adapter=adapter,
        calibration=Calibration(mean=0.1, deviation=0.7, temperature=1.5, link="probit"),
        lengths=Lengths(prompt=7, reply=2),
        origin={"start": "abc", "loss": {"centring": 0.1}},
    )
    judged.save(tmp_path / "rm")
    judged.save(tmp_path / "rm")
    again = load(tmp_path / "rm", dtype="float32")
    torch.testing.assert_close(again.outputs(TALKS), judged.outputs(TALKS), atol=1e-4, rtol=1e-4)
    assert (again.calibration, again.lengths, again.origin) == (judged.calibration, judged.lengths, judged.origin)
    assert again.identity["name"] == "rm"
    assert not any(p.requires_grad for p in again.local.model.parameters())
    assert [p.name for p in tmp_path.iterdir()] == ["rm"]
    recalibrate(tmp_path / "rm", Calibration(mean=5.0))
    other = load(tmp_path / "rm", dtype="float32")
    assert other.calibration == Calibration(mean=5.0)
    assert other.identity == again.identity


def spoil_weights(folder):
    raw = bytearray((folder / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "model.safetensors").write_bytes(raw)


def restate(folder, **changes):
    stated = json.loads((folder / "reward.json").read_text())
    (folder / "reward.json").write_text(json.dumps({**stated, **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "reward.json").unlink(), "is not a reward model: it has no reward.json"),
        (lambda f: (f / "reward.json").write_text("{"), "reward.json is damaged"),
        (lambda f: restate(f, calibration={"temperature": "hot"}), "reward.json is damaged"),
        (lambda f: restate(f, calibration={"temperature": -1.0}), "above 0"),
        (lambda f: restate(f, form="another"), "says 'another'"),
        (lambda f: restate(f, features=2), "a head for another model"),
        (spoil_weights, "model.safetensors is not what was written"),
        (lambda f: (f / "head.safetensors").unlink(), "head.safetensors is missing"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json is not what was written"),
    ],
)
def test_a_damaged_or_exchanged_folder_is_refused(model, tmp_path, damage, message):
    model(dtype="float32").save(tmp_path / "rm")
    damage(tmp_path / "rm")
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "rm")


def test_a_write_that_fails_leaves_the_old_folder_and_nothing_else(model, tmp_path, monkeypatch):
    model(dtype="float32").save(tmp_path / "rm")
    before = {p.name: p.read_bytes() for p in (tmp_path / "rm").iterdir()}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reward_model, "json_text", fail)
    with pytest.raises(Exception, match="disk is full"):
        model(dtype="float32", seed=1).save(tmp_path / "rm")
    assert {p.name: p.read_bytes() for p in (tmp_path / "rm").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["rm"]


def test_a_vocabulary_that_does_not_fit_a_long_text_and_a_strange_head_are_refused(model, tiny_chat):
    judged = model()
    judged.local.tokenizer.add_tokens(["new"])
    with pytest.raises(ModelError, match="knows 51 tokens, but the model only 50"):
        replace(judged, origin={})
    with pytest.raises(DataError, match="transcript 0 has no reward: the conversation has 70 tokens"):
        model().rewards([talk("3", "5 " * 66)])
    with pytest.raises(ModelError, match="1 output or 2"):
        model(3)
    with pytest.raises(ModelError, match="no head"):
        RewardModel(local=tiny_chat())
