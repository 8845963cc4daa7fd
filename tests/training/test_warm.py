import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import ModelError, SettingsError  # noqa: E402
from gnomon.core.types import Message, Transcript  # noqa: E402
from gnomon.models import heads  # noqa: E402
from gnomon.models.reward_model import Calibration, Lengths, RewardModel, load  # noqa: E402
from gnomon.training.warm import average  # noqa: E402

TALKS = [Transcript((Message("user", "3 4"), Message("assistant", reply))) for reply in ("5 6", "7", "8 9 10")]


@pytest.fixture
def written(tiny_chat, tmp_path):
    """Writes a reward model that is the start plus a seeded change."""

    def write(name, seed=0, features=1, shape=None, words=(), **settings):
        local = tiny_chat(**shape or {})
        local.tokenizer.add_tokens(list(words))
        heads.attach(local.model, features=features)
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in local.model.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=draw))
        RewardModel(local=local, **{"origin": {"start": "s"}, **settings}).save(tmp_path / name)
        return tmp_path / name

    return write


def test_the_average_of_one_model_with_itself_is_that_model(written, tmp_path):
    one = written("a", calibration=Calibration(mean=0.3, deviation=2.0, temperature=1.7))
    same = average([one, one, one], tmp_path / "out")
    wanted = load(one, dtype="float32")
    for name, parameter in wanted.local.model.named_parameters():
        assert torch.equal(dict(same.local.model.named_parameters())[name], parameter), name
    assert torch.equal(same.outputs(TALKS), wanted.outputs(TALKS))
    assert same.calibration.temperature == pytest.approx(1.7)


def test_every_weight_is_the_mean_also_where_it_is_tied(written, tmp_path):
    shape = {"tie_word_embeddings": True}
    folders = [written(str(seed), seed=seed, shape=shape, calibration=Calibration(mean=seed)) for seed in range(3)]
    models = [dict(load(f, dtype="float32").local.model.named_parameters()) for f in folders]
    mean = average(folders, tmp_path / "out")
    for name, parameter in mean.local.model.named_parameters():
        wanted = torch.stack([m[name] for m in models]).double().mean(0)
        torch.testing.assert_close(parameter.double(), wanted, atol=1e-6, rtol=1e-5)
    assert "gnomon_head.weight" in dict(mean.local.model.named_parameters())
    assert mean.calibration.mean == pytest.approx(1.0)
    assert len(mean.origin["averaged"]) == 3


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"features": 2}, "differ in outputs of the head"),
        ({"origin": {"start": "t"}}, "differ in start"),
        ({"shape": {"intermediate_size": 64}}, "differ in architecture"),
        ({"words": ["new"], "shape": {"vocab_size": 51}}, "differ in architecture, vocabulary"),
        ({"lengths": Lengths(reply=3)}, "differ in lengths"),
        ({"calibration": Calibration(link="probit")}, "differ in link"),
    ],
)
def test_models_that_do_not_belong_together_are_refused(written, tmp_path, other, message):
    with pytest.raises(ModelError, match=message):
        average([written("a"), written("b", **other)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_start_and_nothing_at_all_are_refused(written, tmp_path):
    folders = [written(name, origin={}) for name in "ab"]
    with pytest.raises(ModelError, match="does not say from which start"):
        average(folders, tmp_path / "out")
    with pytest.raises(SettingsError, match="nothing to average"):
        average([], tmp_path / "out")
