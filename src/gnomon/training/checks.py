"""What can go wrong in a run, found early and said plainly: examples that do not fit, outputs that are none, no memory.

Examples are checked before the first step, outputs at each; `collapse` looks at the log. It repairs and drops nothing.
Units: lengths in tokens.
Fails: closed; DataError names the example, TrainingError the step, what to change and the last good checkpoint.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from gnomon.core.errors import DataError, TrainingError
from gnomon.models.local import LocalModel
from gnomon.training.checkpoint import State
from gnomon.training.examples import Example

NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
"""What torch says when an allocation fails, in errors that are no OutOfMemoryError."""


def fit(examples: Sequence[Example], *, completions: int, subject: LocalModel, loss: str) -> None:
    """Make sure that every example has as many completions as the loss reads, known tokens, and fits the context."""
    if not examples:
        raise DataError("no examples to train on; the model may already keep every case that pairs are made from")
    words = subject.model.get_input_embeddings().weight.shape[0]
    for example in examples:
        name = f"example {example.id}"
        if len(example.completions) != completions:
            raise DataError(f"{name} has {len(example.completions)} completions, {loss} reads {completions}")
        if not example.prompt or not all(example.completions):
            raise DataError(f"{name} has an empty prompt or completion; drop it, or write a text")
        if not math.isfinite(example.label):
            raise DataError(f"{name} has the label {example.label}; write a number")
        unknown = {t for part in (example.prompt, *example.completions) for t in part if not 0 <= t < words}
        if unknown:
            raise DataError(
                f"{name} has tokens {sorted(unknown)[:5]}, the model's vocabulary ends at {words - 1}; "
                "make the examples with this model's own tokenizer"
            )
        longest = len(example.prompt) + max(map(len, example.completions))
        if longest > subject.context:
            raise DataError(
                f"{name} needs {longest} tokens with its prompt of {len(example.prompt)}, the model's context holds "
                f"{subject.context}; shorten it or drop it"
            )


def finite(outputs: Sequence[Tensor], examples: Sequence[Example], settings: Any, state: State) -> None:
    """Make sure that the model's outputs are numbers for every example. Raises TrainingError that names those."""
    broken = [e.id for e, output in zip(examples, outputs, strict=True) if not output.isfinite().all()]
    if broken:
        raise TrainingError(
            f"step {state.step + 1}: the model's output is not a number for example {', '.join(broken[:5])}"
            f"{' and others' if len(broken) > 5 else ''} ({len(broken)} of {len(examples)}); look at them if they are "
            f"few, else {_calmer(settings)}; {last_good(state)}"
        )


@contextmanager
def memory(settings: Any, state: State) -> Iterator[None]:
    """Turn running out of memory into an error that says what to lower; `settings` are those of a loop."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _too_large(settings, state, error) from error
    except RuntimeError as error:
        if not any(text in str(error) for text in NO_MEMORY):
            raise
        raise _too_large(settings, state, error) from error


def last_good(state: State) -> str:
    """Where a run can go on from, as messages say it."""
    return f"the last good checkpoint is {state.checkpoints[-1].folder}" if state.checkpoints else "no checkpoint yet"


def _calmer(settings: Any) -> str:
    return f"lower learning_rate (now {settings.learning_rate:g}), raise warmup"


def _too_large(settings: Any, state: State, error: BaseException) -> TrainingError:
    off = "" if settings.recompute else ", set recompute=true"
    return TrainingError(
        f"step {state.step + 1}: out of memory ({str(error).splitlines()[0] if str(error) else 'MemoryError'}); "
        f"lower row_tokens (now {settings.row_tokens}){off}, shorten the longest examples, or train an adapter (LoRA); "
        f"then run it again: {last_good(state)}"
    )
