"""A suffix behind the last request, as tokens: where it stands, what it costs the target, and which way is down.

It searches nothing: the white-box attacks do. Candidates are packed, so that what they share (all before the suffix,
and the suffix up to the changed token) is computed once, and the head only where the target is predicted.
Source: Zou et al., "Universal and Transferable Adversarial Attacks on Aligned Language Models" (arXiv 2307.15043)
section 2: the loss is the negative log-likelihood of the target string behind the conversation.
Departs: a candidate counts only if the whole conversation, encoded again, gives these very tokens.
Shapes: `L` tokens of the suffix, `D` embedding size, `V` vocabulary. Units: nats a target token.
Fails: a conversation that the template or the tokenizer takes apart is a ModelError.
"""

import copy
import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from gnomon.core.errors import ModelError
from gnomon.core.types import Transcript
from gnomon.redteam.rewrite import asked

if TYPE_CHECKING:
    from torch import Tensor

    from gnomon.models.local import LocalModel

Ids = tuple[int, ...]
MARK = "\ue000suffix\ue001"
"""Stands for the suffix while the template is applied: private-use characters, in no one's text."""
ROW_TOKENS, ROW_PREDICTED = 4096, 1024
"""Most tokens that are packed into one row, and most of them that are predicted."""
READ = 64
"""Conversations whose keys and values are kept at once."""


@dataclass(frozen=True)
class Place:
    """One conversation around a suffix, as text and as tokens."""

    head: str
    tail: str
    before: Ids
    after: Ids
    target: Ids


@dataclass(frozen=True)
class Found:
    """A suffix and the target's loss behind it."""

    ids: Ids
    text: str
    loss: float


def place(model: "LocalModel", prompt: Transcript, target: str) -> Place:
    """Where the suffix stands: directly behind the last request."""
    whole = model.text(asked(prompt, prompt.request + MARK))
    if whole.count(MARK) != 1:
        raise ModelError("the chat template changes the last request, so no suffix can be followed through it")
    head, tail = whole.split(MARK)
    before, after, wanted = (tuple(_encoded(model, [text])[0]) for text in (head, tail, target))
    if not wanted:
        raise ModelError("the target string holds no token; write the beginning of the wanted answer")
    return Place(head, tail, before, after, wanted)


def start(model: "LocalModel", places: Sequence[Place], text: str) -> Ids:
    """The tokens of a suffix to begin with; the same behind every conversation."""
    first = places[0]
    whole = tuple(_encoded(model, [first.head + text + first.tail])[0])
    ids = whole[len(first.before) : len(whole) - len(first.after)]
    if not ids or not standing(model, places, [ids]):
        raise ModelError(
            f"{text!r} does not stay apart from the words around it; begin it with a space, end it without"
        )
    return ids


def standing(model: "LocalModel", places: Sequence[Place], suffixes: Sequence[Ids]) -> list[Ids]:
    """Those suffixes that come back as the same tokens when their conversations are sent as text, each once."""
    left = list(dict.fromkeys(suffixes))
    for spot in places:
        texts = [text(model, spot, ids) for ids in left]
        again = _encoded(model, [spot.head + t + spot.tail for t in texts])
        left = [
            ids
            for ids, t, whole in zip(left, texts, again, strict=True)
            # Templates may cut blanks off the end of a message.
            if t == t.rstrip() and tuple(whole) == (*spot.before, *ids, *spot.after)
        ]
    return left


def text(model: "LocalModel", spot: Place, ids: Ids) -> str:
    """A suffix as the text that is put behind the request: some tokenizers drop the first token's space by itself."""
    anchor = spot.before[-1:]
    decode = functools.partial(model.tokenizer.decode, clean_up_tokenization_spaces=False)
    return str(decode([*anchor, *ids]))[len(str(decode(list(anchor)))) :]


def losses(model: "LocalModel", places: Sequence[Place], suffixes: Sequence[Ids]) -> list[float]:
    """Loss of the target behind each suffix, the mean over all conversations."""
    from gnomon.models.continuations import Encoded, Refusal, score

    total = [0.0] * len(suffixes)
    for spot in places:
        rows = [Encoded(((*spot.before, *ids, *spot.after),), (spot.target,)) for ids in suffixes]
        for i, found in enumerate(score(model, rows, row_tokens=ROW_TOKENS, row_predicted=ROW_PREDICTED)):
            if isinstance(found, Refusal):
                raise ModelError(f"the target cannot be scored behind this conversation: {found.why}")
            total[i] -= found[0] / len(spot.target) / len(places)
    return total


def draft(model: "LocalModel") -> "LocalModel | None":
    """The same model in bfloat16, which ranks suffixes nearly as it does; None if it holds no more bits itself."""
    import torch

    if model.model.dtype != torch.float32:
        return None
    if (kept := _drafts.get(model)) is None or kept[0] != _weights(model):
        copied = dataclasses.replace(model, model=copy.deepcopy(model.model).to(torch.bfloat16))
        _drafts[model] = kept = (_weights(model), copied)
    return kept[1]


def downhill(model: "LocalModel", places: Sequence[Place], embeds_LD: "Tensor") -> "tuple[Tensor, Tensor]":
    """Loss at the suffix's embeddings and its gradient there, the mean over all conversations."""
    import torch

    embeds_LD = embeds_LD.detach().requires_grad_()
    table = model.model.get_input_embeddings()
    grad_LD, total = torch.zeros_like(embeds_LD), torch.zeros((), device=embeds_LD.device)
    with torch.enable_grad():
        for spot in places:
            wanted = torch.tensor(spot.target, device=embeds_LD.device)
            rest_RD = table(torch.tensor([*spot.after, *spot.target[:-1]], device=embeds_LD.device)).detach()
            logits = model.model(
                inputs_embeds=torch.cat((embeds_LD, rest_RD))[None],
                past_key_values=_read(model, spot.before),
                use_cache=True,
                logits_to_keep=len(wanted),
            ).logits[0]
            loss = torch.nn.functional.cross_entropy(logits.float(), wanted) / len(places)
            # Of the suffix alone: nothing is left in the weights' own gradients.
            grad_LD += torch.autograd.grad(loss, embeds_LD)[0]
            total += loss.detach()
    return total, grad_LD


def embedded(model: "LocalModel", ids: Ids) -> "Tensor":
    """Embeddings of a suffix's tokens, `L` x `D`."""
    import torch

    found: Tensor = model.model.get_input_embeddings()(torch.tensor(ids, device=model.device)).detach()
    return found


def nearest(model: "LocalModel", embeds_LD: "Tensor") -> Ids:
    """The allowed tokens whose embeddings lie next to these."""
    import torch

    apart_LV = torch.cdist(embeds_LD.float(), model.model.get_input_embeddings().weight.detach().float())
    apart_LV[:, ~allowed(model)] = torch.inf
    return tuple(apart_LV.argmin(1).tolist())


def allowed(model: "LocalModel") -> "Tensor":
    """Which tokens a suffix may hold, `V` booleans: printable ASCII, nothing special."""
    import torch

    if model not in _allowed:
        rows = model.model.get_input_embeddings().num_embeddings
        known = min(rows, len(model.tokenizer))
        special = set(model.tokenizer.all_special_ids) | set(model.tokenizer.added_tokens_decoder)
        texts = model.tokenizer.batch_decode([[i] for i in range(known)])
        fit = [i not in special and t.isascii() and t.isprintable() and bool(t) for i, t in enumerate(texts)]
        _allowed[model] = torch.tensor(fit + [False] * (rows - known), device=model.device)
    return _allowed[model]


def _read(model: "LocalModel", ids: Ids) -> Any:
    """Keys and values of what stands before the suffix, computed once; a copy, as a pass adds its own to it."""
    import torch

    weights = _weights(model)
    kept = _before.setdefault(model, {})
    if (weights, ids) not in kept:
        with torch.no_grad():
            row = torch.tensor([ids], device=model.device)
            made = model.model(input_ids=row, use_cache=True, logits_to_keep=1).past_key_values
        while len(kept) >= READ:
            del kept[next(iter(kept))]
        kept[weights, ids] = made
    return copy.deepcopy(kept[weights, ids])


_drafts: "WeakKeyDictionary[LocalModel, tuple[int, LocalModel]]" = WeakKeyDictionary()
_before: "WeakKeyDictionary[LocalModel, dict[tuple[int, Ids], Any]]" = WeakKeyDictionary()
_allowed: "WeakKeyDictionary[LocalModel, Tensor]" = WeakKeyDictionary()


def _encoded(model: "LocalModel", texts: Sequence[str]) -> Any:
    return model.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []


def _weights(model: "LocalModel") -> int:
    """Weights that were trained in between have another version, and what was made of the old ones is not theirs."""
    return hash(tuple((id(p), p._version) for p in model.model.parameters()))
