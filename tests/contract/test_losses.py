"""Every loss of the folder, by the same rules: the folder is the registry, so a new file is tested by being there."""

import ast
import dataclasses
import math
import typing
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gnomon.core import plugin  # noqa: E402
from gnomon.models.local import LocalModel  # noqa: E402
from gnomon.training import batches  # noqa: E402
from gnomon.training.examples import Example  # noqa: E402
from gnomon.training.offline import train  # noqa: E402
from gnomon.training.online_schedule import Online  # noqa: E402
from gnomon.training.schedule import Offline  # noqa: E402

NAMES = plugin.names("loss")
ONLINE = [name for name in NAMES if "owner_K" in {f.name for f in dataclasses.fields(plugin.load("loss", name).READS)}]
SPECIMENS = [(name, specimen) for name in NAMES for specimen in plugin.module("loss", name).SPECIMENS]
each_specimen = pytest.mark.parametrize(
    ("name", "specimen"), SPECIMENS, ids=lambda x: x if isinstance(x, str) else x.why
)


def run(name, settings, values, dtype=torch.float64):
    """Loss, and its gradients in the fields that carry one."""
    loss = plugin.build("loss", name, settings)
    batch = batches.columns(loss.READS, values, dtype=dtype)
    out = loss(batch=batch)
    inputs = {field: getattr(batch, field) for field in loss.READS.GRADIENT}
    grads = torch.autograd.grad(out.loss, list(inputs.values()), allow_unused=True)
    return out, {n: torch.zeros_like(x) if g is None else g for (n, x), g in zip(inputs.items(), grads, strict=True)}


def picked(values, order):
    """The examples or rollouts of `order` and, for each field, where its entries come from."""
    owner = values.get("owner_K", ())
    tokens = [k for b in order for k, o in enumerate(owner) if o == b]
    source = {f: tokens if f.endswith("_K") else order for f in values}
    new = {f: [v[i] for i in source[f]] for f, v in values.items()}
    if owner:
        new["owner_K"] = [place for place, b in enumerate(order) for o in owner if o == b]
    return new, source


def size(values):
    return next(len(v) for f, v in values.items() if f.endswith("_B"))


@each_specimen
def test_closed_form_points(name, specimen):
    out, grads = run(name, specimen.settings, specimen.batch)
    assert out.loss.shape == ()
    assert out.loss.item() == pytest.approx(specimen.loss, abs=1e-12)
    assert all(torch.isfinite(g).all() for g in grads.values())
    assert any(g.abs().sum() > 0 for g in grads.values())
    assert all(isinstance(v, float) and math.isfinite(v) for v in out.metrics.values())


@each_specimen
def test_float32_agrees_and_order_of_the_batch_does_not_matter(name, specimen):
    out, grads = run(name, specimen.settings, specimen.batch)
    low, low_grads = run(name, specimen.settings, specimen.batch, dtype=torch.float32)
    assert low.loss.item() == pytest.approx(out.loss.item(), rel=1e-5, abs=1e-6)
    values, source = picked(specimen.batch, list(reversed(range(size(specimen.batch)))))
    turned, turned_grads = run(name, specimen.settings, values)
    assert turned.loss.item() == pytest.approx(out.loss.item(), rel=1e-12, abs=1e-15)
    assert turned.metrics == pytest.approx(out.metrics, rel=1e-9, abs=1e-12)
    for field, grad in grads.items():
        torch.testing.assert_close(low_grads[field].double(), grad, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(turned_grads[field], grad[source[field]], atol=1e-12, rtol=1e-12)


@each_specimen
def test_the_batch_twice_has_the_same_loss_and_halves_every_gradient(name, specimen):
    """A loss is a mean: how many examples a step has does not change the size of the step."""
    out, grads = run(name, specimen.settings, specimen.batch)
    values, source = picked(specimen.batch, [*range(size(specimen.batch))] * 2)
    twice, twice_grads = run(name, specimen.settings, values)
    assert twice.loss.item() == pytest.approx(out.loss.item(), rel=1e-12, abs=1e-15)
    for field, grad in grads.items():
        torch.testing.assert_close(twice_grads[field], grad[source[field]] / 2, atol=1e-12, rtol=1e-12)


@each_specimen
def test_reference_is_needed_exactly_if_it_is_said_to_be(name, specimen):
    loss = plugin.build("loss", name, specimen.settings)
    blank = {f: [math.nan] * len(v) if "reference" in f else v for f, v in specimen.batch.items()}
    out = loss(batch=batches.columns(loss.READS, blank))
    assert math.isnan(out.loss.item()) == loss.NEEDS_REFERENCE
    assert loss.NEEDS_REFERENCE or all(math.isfinite(v) for v in out.metrics.values())


@each_specimen
@pytest.mark.parametrize("scale", [-300.0, 300.0])
def test_far_away_log_probabilities_give_a_finite_loss_and_gradient(name, specimen, scale):
    loss = plugin.build("loss", name, specimen.settings)
    for field in loss.READS.GRADIENT:
        shift = scale / 4 if "variance" in field else scale  # its exponential has to be a float32
        values = {**specimen.batch, field: [x + shift for x in specimen.batch[field]]}
        out, grads = run(name, specimen.settings, values, dtype=torch.float32)
        assert all(torch.isfinite(x).all() for x in (out.loss, *grads.values()))
        assert all(math.isfinite(v) for v in out.metrics.values())


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ONLINE and plugin.load("loss", n).READS.HEAD == 0])
def test_the_offline_loop_lowers_every_loss_of_completions_however_a_batch_is_cut_into_rows(name, tiny_llama, tmp_path):
    loss = plugin.build("loss", name)
    examples = [
        Example(
            id=str(i),
            prompt=(1, 2, i + 4),
            completions=((i + 10, 11, 12), (i + 20, 21))[: loss.READS.COMPLETIONS],
            label=float(i % 2),
        )
        for i in range(4)
    ]
    logs = []
    for row_tokens in (16, 4096):
        subject = LocalModel(model=tiny_llama("float64"), tokenizer=None, identity={"name": "tiny", "weights": "0"})
        settings = Offline(batch=4, epochs=8, learning_rate=1e-2, row_tokens=row_tokens, every=100)
        folder = tmp_path / str(row_tokens)
        state = train(subject=subject, adapter=None, examples=examples, loss=loss, settings=settings, folder=folder)
        logs.append([row["loss"] for row in state.log])
    assert logs[0][:3] == pytest.approx(logs[1][:3], rel=1e-5)  # norms and masters are float32, and Adam grows that
    assert logs[0][-1] < 0.9 * logs[0][0]


@pytest.mark.parametrize("name", ONLINE)
def test_on_the_policy_that_sampled_every_token_is_pushed_by_the_sign_of_its_advantage(name):
    """Before the first update no ratio, clip or kernel may matter: all are REINFORCE, up to positive weights."""
    kind = plugin.load("loss", name)
    advantage, owner = [1.0, 1.0, 1.0, -2.0, 0.5, 0.5, 0.0], [0, 0, 0, 1, 2, 2, 3]
    logp = [-1.0, -0.1, -3.0, -2.0, -0.5, -1.5, -4.0]
    values = {f.name: [0.0] * len(owner) for f in dataclasses.fields(kind.READS)}
    values |= {"logp_K": logp, "old_logp_K": logp, "sampler_logp_K": logp, "reference_K": logp}
    _, grads = run(name, {}, values | {"advantage_K": advantage, "owner_K": owner, "limit_B": [8.0] * 4})
    weights = [-g / a for g, a in zip(grads["logp_K"].tolist(), advantage, strict=True) if a]
    assert all(w > 0 for w in weights)
    assert grads["logp_K"][-1] == 0
    assert weights[:3] == pytest.approx([weights[0]] * 3)


@pytest.mark.parametrize("name", ONLINE)
def test_online_losses_name_an_advantage_and_settings_that_the_loop_has(name):
    kind = plugin.load("loss", name)
    assert kind.ADVANTAGE in typing.get_args(batches.Advantage)
    assert (kind.ADVANTAGE == "gae") == (kind.READS is batches.ActorCriticBatch)
    Online(**kind.RECIPE)
    assert all(getattr(Online(), key) != value for key, value in kind.RECIPE.items())


@pytest.mark.parametrize("name", NAMES)
def test_form(name):
    kind = plugin.load("loss", name)
    assert kind.__dataclass_params__.frozen
    source = Path(plugin.module("loss", name).__file__).read_text()
    head = ast.get_docstring(ast.parse(source))
    assert all(word in head for word in ("Source:", "Shapes:", "Units:", "Fails:"))
    assert len(head.splitlines()) <= 12
    assert (Path(__file__).parent.parent / "training" / "losses" / f"test_{name}.py").is_file()
    documented = {
        n.targets[0].id if isinstance(n, ast.Assign) else n.target.id
        for body in ast.walk(ast.parse(source))
        if isinstance(body, ast.ClassDef)
        for n, after in zip(body.body, body.body[1:], strict=False)
        if isinstance(n, ast.AnnAssign | ast.Assign) and isinstance(after, ast.Expr)
    }
    assert {f.name for f in dataclasses.fields(kind)} <= documented
