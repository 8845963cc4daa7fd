"""A scalar head on a causal language model: rewards of whole completions, or a critic's values before each token.

It is a float32 linear layer without bias, registered on the model as `gnomon_head`, so that it moves, is counted and is
copied with it; the language-model head stays. It trains nothing and stores nothing. Attach an adapter first: that
freezes what is there.
Source: InstructGPT, Ouyang et al. 2203.02155, section 3.5 (a scalar head on the final hidden state).
Departs: the start is N(0, 1/(d+1)^2), small beside any wanted difference; no bias, as a constant cancels in every pair.
Shapes: `F` outputs of the head; `B` completions, `K` completion tokens, as in `logprobs`.
Units: none; a reward has no unit, log-probabilities are in nats.
Fails: no head, or a second one, is a ModelError.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gnomon.core import seeds
from gnomon.core.errors import ModelError
from gnomon.models import logprobs
from gnomon.models.packing import Packed

NAME = "gnomon_head"


def attach(model: Any, *, features: int, seed: int = 0) -> nn.Linear:
    """Put a head with so many outputs on a transformers model, in place; it is trainable."""
    if attached(model) is not None:
        raise ModelError("this model already has a head; detach it first")
    weight = model.get_output_embeddings().weight
    exact = torch.promote_types(weight.dtype, torch.float32)
    made = nn.Linear(weight.shape[1], features, bias=False, dtype=exact)
    draw = torch.Generator().manual_seed(seeds.stream(seed, "head"))
    nn.init.normal_(made.weight, std=1 / (weight.shape[1] + 1), generator=draw)
    setattr(model, NAME, made.to(weight.device))
    return made


def detach(model: Any) -> None:
    """Take the head off; the model is the one it was."""
    head(model)
    delattr(model, NAME)


def attached(model: Any) -> nn.Linear | None:
    """The model's head, or None."""
    found: nn.Linear | None = getattr(model, NAME, None)
    return found


def head(model: Any) -> nn.Linear:
    """The model's head. Raises ModelError if there is none."""
    found = attached(model)
    if found is None:
        raise ModelError("this model has no head; call heads.attach(model, features=…) first")
    return found


def parameters(model: Any) -> list[nn.Parameter]:
    """The head's weights, or nothing."""
    found = attached(model)
    return [] if found is None else list(found.parameters())


def sequence_outputs(model: Any, packed: Packed) -> Tensor:
    """The head on each completion's last token, `B` x `F` in at least float32, with gradient where it is enabled."""
    return _apply(model, logprobs.hidden(model, packed, packed.last_B))


def token_outputs(model: Any, packed: Packed, *, temperature: float = 1.0) -> Tensor:
    """Log-probability of each completion token, then the head where it is predicted: `K` x (1 + `F`), in one pass.

    `temperature` divides the logits and leaves the head alone.
    """
    with _caught(model) as states:
        logp_K = logprobs.token_logp(model, packed, temperature=temperature)
    (hidden_ND,) = states
    predictors_U = packed.predictors_U.to(hidden_ND.device)
    output_UF = _apply(model, hidden_ND.index_select(0, predictors_U))
    output_KF = output_UF.index_select(0, packed.row_K.to(output_UF.device))
    return torch.cat([logp_K[:, None], output_KF.to(logp_K.dtype)], dim=1)


def _apply(model: Any, hidden_UD: Tensor) -> Tensor:
    weight = head(model).weight
    exact = torch.promote_types(weight.dtype, torch.float32)  # the optimiser may let it compute with 16-bit copies
    return nn.functional.linear(hidden_UD.to(exact), weight.to(exact))


@contextmanager
def _caught(model: Any) -> Iterator[list[Tensor]]:
    """The last hidden states of every pass through the trunk, whatever then makes logits of them."""
    states: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        states.append(output[0][0])

    hook = model.base_model.register_forward_hook(keep)
    try:
        yield states
    finally:
        hook.remove()
