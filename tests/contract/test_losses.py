"""Every loss of the folder, by the same rules: the folder is the registry, so a new file is tested by being there."""

import ast
import dataclasses
import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gnomon.core import plugin  # noqa: E402
from gnomon.training import batches  # noqa: E402

NAMES = plugin.names("loss")
SPECIMENS = [(name, specimen) for name in NAMES for specimen in plugin.module("loss", name).SPECIMENS]


def run(name, specimen, dtype=torch.float64, order=None):
    """Loss, and its gradients in the fields that carry one."""
    loss = plugin.build("loss", name, specimen.settings)
    values = {f: [v[i] for i in order] if order else v for f, v in specimen.batch.items()}
    batch = batches.columns(loss.READS, values, dtype=dtype)
    out = loss(batch=batch)
    inputs = {name: getattr(batch, name) for name in loss.READS.GRADIENT}
    grads = torch.autograd.grad(out.loss, list(inputs.values()), allow_unused=True)
    return out, {n: torch.zeros_like(x) if g is None else g for (n, x), g in zip(inputs.items(), grads, strict=True)}


@pytest.mark.parametrize(("name", "specimen"), SPECIMENS, ids=lambda x: x if isinstance(x, str) else x.why)
def test_closed_form_points(name, specimen):
    out, grads = run(name, specimen)
    assert out.loss.shape == ()
    assert out.loss.item() == pytest.approx(specimen.loss, abs=1e-12)
    assert all(torch.isfinite(g).all() for g in grads.values())
    assert any(g.abs().sum() > 0 for g in grads.values())
    assert all(isinstance(v, float) and math.isfinite(v) for v in out.metrics.values())


@pytest.mark.parametrize(("name", "specimen"), SPECIMENS, ids=lambda x: x if isinstance(x, str) else x.why)
def test_float32_agrees_and_order_of_the_batch_does_not_matter(name, specimen):
    out, grads = run(name, specimen)
    low, low_grads = run(name, specimen, dtype=torch.float32)
    assert low.loss.item() == pytest.approx(out.loss.item(), rel=1e-5, abs=1e-6)
    size = len(next(iter(specimen.batch.values())))
    turned, turned_grads = run(name, specimen, order=list(reversed(range(size))))
    assert turned.loss.item() == pytest.approx(out.loss.item(), rel=1e-12)
    for field, grad in grads.items():
        torch.testing.assert_close(low_grads[field].double(), grad, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(turned_grads[field].flip(0), grad, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(("name", "specimen"), SPECIMENS, ids=lambda x: x if isinstance(x, str) else x.why)
def test_reference_is_needed_exactly_if_it_is_said_to_be(name, specimen):
    loss = plugin.build("loss", name, specimen.settings)
    blank = {f: [math.nan] * len(v) if "reference" in f else v for f, v in specimen.batch.items()}
    value = loss(batch=batches.columns(loss.READS, blank)).loss.item()
    assert math.isnan(value) == loss.NEEDS_REFERENCE


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
