"""Attention for rows that begin with the same tokens: the common prefix is kept once, not once a row.

Keys and values of the prefix are computed for one row. Each step scores all rows' queries against it in one product
and against each row's own preallocated columns in another, under one softmax: exact, and nothing grows or is copied.
It works for any transformers decoder that calls the attention interface; `usable` says whether a model is one.
Source: the idea of Hydragen, arXiv:2402.05099 (there with two softmaxes merged); transformers AttentionInterface.
Shapes: B rows, H query heads, K key heads, G = H / K, S new tokens, P prefix, T own columns, D head size.
Fails: a model whose attention has terms that are not known here raises `Unsupported`.
"""

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "gnomon_prefix"
ARGUMENT = "prefix_rows"
"""Keyword by which a forward pass hands its `Rows` down to every attention layer."""
CHUNK = 2**19
"""Most scores a head that are laid out at once; longer prompts take fewer rows at a time."""
UNKNOWN_TERMS = ("softcap", "s_aux", "position_bias", "head_mask", "alibi")


class Unsupported(Exception):
    """This model's attention cannot be computed here."""


@dataclass(frozen=True)
class Prefix:
    """Keys and values of the common tokens: one (K, P, D) tensor a layer; empty lists when nothing is common."""

    keys: Sequence[torch.Tensor] = ()
    values: Sequence[torch.Tensor] = ()

    @property
    def length(self) -> int:
        """Tokens in the prefix."""
        return int(self.keys[0].shape[1]) if self.keys else 0


@dataclass
class Rows:
    """Keys and values of a batch of rows behind a prefix; what transformers takes for a cache.

    Rows are padded on the left: row b's first `pads[b]` columns mean nothing.
    """

    prefix: Prefix
    capacity: int
    """Columns that each row has room for."""
    pads: torch.Tensor
    """(B,) integers."""
    filled: int = 0
    keys: dict[int, torch.Tensor] = field(default_factory=dict)
    values: dict[int, torch.Tensor] = field(default_factory=dict)
    padding: torch.Tensor | None = None
    """(B, 1, 1, capacity), lowest number at columns that mean nothing, else 0; None when no row is padded."""
    bias: torch.Tensor | None = None
    """(B or 1, 1, S, T), added to the scores of the S new tokens against own columns; None: all are seen."""

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new columns of one layer; returns all its own columns so far, as views."""
        end = self.filled + key.shape[2]
        if layer_idx not in self.keys:
            self.keys[layer_idx] = key.new_empty((*key.shape[:2], self.capacity, key.shape[3]))
            self.values[layer_idx] = value.new_empty((*value.shape[:2], self.capacity, value.shape[3]))
        self.keys[layer_idx][:, :, self.filled : end] = key
        self.values[layer_idx][:, :, self.filled : end] = value
        return self.keys[layer_idx][:, :, :end], self.values[layer_idx][:, :, :end]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens before the next one, as transformers asks for it."""
        return self.prefix.length + self.filled

    def keep(self, rows: torch.Tensor) -> None:
        """Drop every row but these."""
        self.pads = self.pads[rows]
        self.padding = None if self.padding is None else self.padding[rows]
        for store in (self.keys, self.values):
            for layer, tensor in store.items():
                store[layer] = tensor[rows]

    def as_prefix(self) -> Prefix:
        """The columns of the only row as a prefix for others."""
        layers = sorted(self.keys)
        return Prefix(
            [self.keys[i][0, :, : self.filled] for i in layers], [self.values[i][0, :, : self.filled] for i in layers]
        )


def step(model: Any, ids_BS: torch.Tensor, rows: Rows) -> torch.Tensor:
    """Feed S more tokens to each row; logits of the last one, (B, V)."""
    size = ids_BS.shape[1]
    columns_S = torch.arange(rows.filled, rows.filled + size, device=ids_BS.device)
    position_BS = (columns_S[None] - rows.pads[:, None]).clamp(min=0) + rows.prefix.length
    rows.bias = _bias(rows, size, bare(model).dtype)
    # By index and not by number: a slice would leave a strided view, and the head's matrix would be copied once a row.
    last = torch.tensor([size - 1], device=ids_BS.device)
    out = model(
        input_ids=ids_BS,
        position_ids=position_BS,
        past_key_values=rows,
        use_cache=True,
        logits_to_keep=last,
        **{ARGUMENT: rows},
    )
    rows.filled += size
    logits: torch.Tensor = out.logits[:, -1]
    return logits


def _bias(rows: Rows, size: int, dtype: torch.dtype) -> torch.Tensor | None:
    """What the next `size` tokens of each row may not see, as a number to add."""
    column_T = torch.arange(rows.capacity, device=rows.pads.device)
    # Half of the lowest: with a score added it stays finite, and a row that sees nothing gives no NaN.
    lowest = torch.finfo(dtype).min / 2
    if rows.filled == 0 and bool(rows.pads.any()):
        empty_BT = column_T[None] < rows.pads[:, None]
        rows.padding = torch.zeros(empty_BT.shape, dtype=dtype, device=column_T.device).masked_fill(empty_BT, lowest)[
            :, None, None
        ]
    end = rows.filled + size
    if size == 1:
        return None if rows.padding is None else rows.padding[..., :end]
    later_ST = column_T[None, :end] > column_T[rows.filled : end, None]
    later = torch.zeros(later_ST.shape, dtype=dtype, device=column_T.device).masked_fill(later_ST, lowest)[None, None]
    return later if rows.padding is None else torch.minimum(later, rows.padding[..., :end])


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **terms: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls in each layer: (B, H, S, D) queries to (B, S, H, D) outputs."""
    rows: Rows | None = terms.get(ARGUMENT)
    if rows is None or attention_mask is not None:
        raise Unsupported("this model does not hand keywords down to its attention, or brings a mask of its own")
    if odd := [name for name in UNKNOWN_TERMS if terms.get(name) is not None]:
        raise Unsupported(f"attention with {odd[0]}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if not rows.prefix.length and query.shape[2] > 1:
        plain = rows.padding is None and rows.filled == 0
        out = scaled_dot_product_attention(
            query, key, value, attn_mask=None if plain else rows.bias, is_causal=plain, scale=scale, enable_gqa=True
        )
        return out.transpose(1, 2), None
    B, size = query.shape[0], query.shape[2] * (rows.prefix.length + key.shape[2])
    count = max(1, CHUNK // size)
    parts = [slice(at, at + count) for at in range(0, B, count)]
    outs = [_behind_prefix(module.layer_idx, query[p] * scale, key[p], value[p], rows, p) for p in parts]
    return outs[0] if len(outs) == 1 else torch.cat(outs), None


def _behind_prefix(
    layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: Rows, part: slice
) -> torch.Tensor:
    B, H, S, D = query.shape
    K, P = key.shape[1], rows.prefix.length
    R = H // K * S  # queries of all heads that share keys stand under each other
    q_BKRD = query.reshape(B, K, R, D)
    scores = q_BKRD @ key.transpose(2, 3)
    if rows.bias is not None:
        bias = rows.bias[part] if rows.padding is not None else rows.bias
        scores = (scores.view(B, K, H // K, S, -1) + bias[:, None]).view(B, K, R, -1)
    if P:
        q_KBRD = q_BKRD.transpose(0, 1).reshape(K, B * R, D)
        head = q_KBRD @ rows.prefix.keys[layer].transpose(1, 2)
        scores = torch.cat((head.view(K, B, R, P).transpose(0, 1), scores), -1)
    weights = scores.softmax(-1)  # float32 inside, whatever the type
    out_BKRD = weights[..., P:] @ value
    if P:
        head = weights[..., :P].transpose(0, 1).reshape(K, B * R, P) @ rows.prefix.values[layer]
        out_BKRD = out_BKRD + head.view(K, B, R, -1).transpose(0, 1)
    return out_BKRD.view(B, H, S, -1).transpose(1, 2)


@contextlib.contextmanager
def switched_on(model: Any) -> Iterator[None]:
    """The model with this attention; what it had before comes back at the end."""
    AttentionInterface.register(NAME, attention)
    inner = bare(model)
    before = inner.config._attn_implementation
    inner.set_attn_implementation(NAME)
    try:
        yield
    finally:
        inner.set_attn_implementation(before)


def bare(model: Any) -> Any:
    """The transformers model, also when PEFT has wrapped it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


_agrees: "weakref.WeakKeyDictionary[Any, bool]" = weakref.WeakKeyDictionary()


def usable(model: Any, *, length: int) -> bool:
    """Whether rows of `length` tokens may go this way: the model's kind allows it, and a probe gave equal logits."""
    inner = bare(model)
    config = inner.config
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if (
        not inner._can_set_attn_implementation()
        or not inner._supports_attention_backend
        or getattr(config, "is_encoder_decoder", False)
        or not kinds <= {"full_attention", "sliding_attention"}
        or (window is not None and window < length)
        or getattr(config, "attn_logit_softcapping", None) is not None
    ):
        return False
    if inner not in _agrees:
        _agrees[inner] = _probe(model)
    return _agrees[inner]


def _probe(model: Any) -> bool:
    """Compare with the model's own attention: a prefix, two rows of unequal length, one more token."""
    device = bare(model).device
    vocabulary = min(1000, bare(model).get_input_embeddings().num_embeddings)
    ids = torch.arange(7, 7 + 11 * 9, 11, device=device) % vocabulary
    whole_2T = torch.stack((ids, ids.flip(0)))
    whole_2T[1, :4] = ids[:4]
    with torch.no_grad():
        want = torch.stack((model(ids[None]).logits[0, -1], model(whole_2T[1:, :7]).logits[0, -1])).float()
        try:
            with switched_on(model):
                first = Rows(Prefix(), 4, torch.zeros(1, dtype=torch.long, device=device))
                step(model, ids[None, :4], first)
                rows = Rows(first.as_prefix(), 5, torch.tensor([0, 2], device=device))
                left = torch.stack((ids[4:], torch.cat((ids[:2], whole_2T[1, 4:7]))))
                step(model, left[:, :4], rows)
                got = step(model, left[:, 4:], rows).float()
        except (Unsupported, AttributeError, TypeError, NotImplementedError):
            return False
    tolerance = 1e-3 if torch.finfo(bare(model).dtype).eps < 1e-6 else 5e-2
    return bool((got - want).abs().mean() <= tolerance * want.std().clamp(min=1e-6))
