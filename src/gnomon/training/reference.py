"""Log-probabilities of the examples under the model as it was before training: computed once, before the first step.

They are cached by content, so that a resumed run, or another method on the same pairs, reads the same numbers.
The rows are those of the first epoch's steps: at the first step policy and reference then agree to the last bit.
Units: nats a completion.
Fails: if all weights are trained and the cache is lost, a resumed run cannot make it again: TrainingError.
"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from gnomon.core.canonical import digest
from gnomon.core.errors import TrainingError
from gnomon.core.files import read_text, write_atomic
from gnomon.core.protocols import Sink
from gnomon.models import adapters, logprobs
from gnomon.models.adapters import Adapter
from gnomon.models.local import LocalModel
from gnomon.models.packing import Packed, pack
from gnomon.training import world
from gnomon.training.backward import outputs
from gnomon.training.examples import Example
from gnomon.training.schedule import rows

Cache = dict[str, list[float]]
"""Content of an example to the log-probability of each of its completions."""


def pack_row(row: Sequence[Example]) -> Packed:
    """All completions of some examples in one packed row, example after example."""
    pairs = [(example.prompt, completion) for example in row for completion in example.completions]
    return pack([p for p, _ in pairs], [c for _, c in pairs])


def log_probabilities(
    *,
    subject: LocalModel,
    adapter: Adapter | None,
    batches: Sequence[Sequence[Example]],
    row_tokens: int,
    path: Path,
    trained: bool,
    sink: Sink,
) -> Cache:
    """Reference of every example of the batches. `trained`: the weights have moved, so a full model's are gone."""
    here = world.current()
    of = digest([dict(subject.identity), str(world.computes_in(subject.model))])
    cache = _read(path, of)
    missing = _missing(batches, cache)
    if missing and adapter is None and trained:
        raise TrainingError(f"{path} is missing, and the weights that it was made with are trained over; start again")
    with adapters.reference(adapter) if adapter else nullcontext():
        for done, batch in enumerate((batches[at] for at in missing), start=1):
            cut = rows(batch, row_tokens, here.size)
            found = outputs(subject.model, [pack_row(row) for row in cut], logprobs.sequence_logp)
            for row, logp in zip(cut, found, strict=True):
                for example, values in zip(row, logp.view(len(row), -1).tolist(), strict=True):
                    cache.setdefault(example.content, values)
            sink.number("reference", done / len(missing), "share done", done)
    if missing:
        world.lead(lambda: write_atomic(path, json.dumps({"of": of, "values": cache})))
    return cache


def _missing(batches: Sequence[Sequence[Example]], cache: Cache) -> list[int]:
    """Places of the batches that hold an example for the first time: epochs repeat each other."""
    known, places = set(cache), []
    for at, batch in enumerate(batches):
        if new := {example.content for example in batch} - known:
            known |= new
            places.append(at)
    return places


def _read(path: Path, of: str) -> Cache:
    if not path.exists():
        return {}
    try:
        stored = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise TrainingError(f"{path} is damaged ({error.msg}); delete it, and it is made again") from error
    values: Cache = stored["values"] if stored.get("of") == of else {}
    return values
