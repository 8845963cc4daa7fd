"""How far one model is from another on given replies: the divergence of their next tokens, and where both would agree.

Each model reads the conversation through its own chat template; at each of the reply's tokens their whole
distributions are compared, so nothing is estimated from draws. Both must have the same tokens.
Source: Kullback and Leibler 1951; agreement of the likeliest token as fidelity: Stanton et al. 2106.05945.
Units: nats a token; a share of tokens. Fails: closed; models with other tokens, or a reply that does not fit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gnomon.core.errors import ModelError
from gnomon.core.types import Transcript
from gnomon.models.local import LocalModel


class Divergence(NamedTuple):
    """Of one reply."""

    kl: float
    """KL(first || second), nats a token, mean over the reply's tokens."""
    agree: float
    """Share of the tokens at which both hold the same token for the likeliest."""
    tokens: int


def comparable(first: LocalModel, second: LocalModel) -> bool:
    """Whether both models have the same tokens."""
    return bool(first.tokenizer.get_vocab() == second.tokenizer.get_vocab())


def per_reply(
    first: LocalModel, second: LocalModel, replies: Sequence[Transcript], *, most: int | None = None
) -> list[Divergence]:
    """How far `second` is from `first` on each conversation's reply. `most`: tokens after which replies were cut.

    A reply with fewer tokens is taken to have ended there, so where it ends is compared too.
    """
    if not comparable(first, second):
        names = [m.identity.get("name", "a model") for m in (first, second)]
        raise ModelError(f"{names[0]} and {names[1]} have other tokens; compare their replies as text instead")
    found = []
    for reply in replies:
        own = first.tokenizer.encode(reply.reply, add_special_tokens=False)
        ids = own if most is not None and len(own) >= most else [*own, first.tokenizer.eos_token_id]
        p_KV, q_KV = (_next(model, reply, ids) for model in (first, second))
        kl_K = (p_KV.exp() * (p_KV - q_KV)).sum(dim=1)
        agree_K = p_KV.argmax(dim=1) == q_KV.argmax(dim=1)
        found.append(Divergence(float(kl_K.mean()), float(agree_K.float().mean()), len(ids)))
    return found


def _next(model: LocalModel, reply: Transcript, ids: Sequence[int]) -> Tensor:
    """Log-probabilities of all tokens at each of the reply's places."""
    prompt = model.encode(Transcript(reply.messages[:-1], reply.expect))
    if len(prompt) + len(ids) > model.context:
        raise ModelError(
            f"a conversation of {len(prompt) + len(ids)} tokens does not fit into the {model.context} of "
            f"{model.identity.get('name', 'this model')}; shorten it"
        )
    row = torch.tensor([[*prompt, *ids]], device=model.device)
    with torch.inference_mode():
        logits_KV = model.model(input_ids=row, use_cache=False, logits_to_keep=len(ids) + 1).logits[0, :-1]
    logp_KV: Tensor = logits_KV.float().log_softmax(dim=1)
    return logp_KV
