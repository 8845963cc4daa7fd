"""Attention behind a shared prefix against the model's own attention, in numbers."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import transformers  # noqa: E402

from gnomon.models import prefix  # noqa: E402

CONFIG = transformers.LlamaConfig(
    vocab_size=97,
    hidden_size=48,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=2,
)


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(CONFIG).double().eval()
    for parameter in model.parameters():  # larger weights, so that attention matters
        parameter.data.mul_(3)
    return model


def rows_behind(model: Any, head: list[int], tails: list[list[int]], capacity: int = 20) -> tuple[Any, Any]:
    width = max(map(len, tails))
    one = prefix.Rows(prefix.Prefix(), max(1, len(head)), torch.zeros(1, dtype=torch.long))
    if head:
        prefix.step(model, torch.tensor([head]), one)
    pads = torch.tensor([width - len(t) for t in tails])
    rows = prefix.Rows(one.as_prefix(), capacity, pads)
    return rows, torch.tensor([[9] * (width - len(t)) + t for t in tails])


@pytest.mark.parametrize("head", [[], [3], list(range(2, 40))], ids=len)
@pytest.mark.parametrize("chunk", [1, 10**6])
@pytest.mark.parametrize("tails", [[[5, 6, 7]], [[5, 6, 7], [8], [4, 4]], [[5], [6]]], ids=str)
def test_logits_are_exact(
    model: Any, head: list[int], tails: list[list[int]], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix, "CHUNK", chunk)
    with torch.no_grad(), prefix.switched_on(model):
        rows, ids = rows_behind(model, head, tails)
        got = [prefix.step(model, ids, rows)]
        got.append(prefix.step(model, torch.tensor([[11]] * len(tails)), rows))
        keep = torch.tensor([len(tails) - 1])
        rows.keep(keep)
        got.append(prefix.step(model, torch.tensor([[12]]), rows))
    with torch.no_grad():
        for more, found in zip(([], [11], [11, 12]), got, strict=True):
            left = tails if len(found) == len(tails) else tails[-1:]
            want = torch.stack([model(torch.tensor([head + t + more])).logits[0, -1] for t in left])
            torch.testing.assert_close(found, want, rtol=1e-10, atol=1e-10)


def test_a_model_that_computes_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch, model: Any) -> None:
    right = prefix.attention

    def wrong(module: Any, query: Any, *rest: Any, **terms: Any) -> Any:
        return right(module, query * 0.5, *rest, **terms)

    assert prefix.usable(model, length=10)
    prefix._agrees.clear()
    monkeypatch.setattr(prefix, "attention", wrong)
    assert not prefix.usable(model, length=10)
    prefix._agrees.clear()


def test_unknown_terms_are_refused() -> None:
    rows = prefix.Rows(prefix.Prefix(), 1, torch.zeros(1, dtype=torch.long))
    some = torch.zeros(1, 1, 1, 4)
    with pytest.raises(prefix.Unsupported, match="softcap"):
        prefix.attention(None, some, some, some, None, softcap=30.0, **{prefix.ARGUMENT: rows})
    with pytest.raises(prefix.Unsupported, match="keywords"):
        prefix.attention(None, some, some, some, None)
