"""A data set as the examples that a loss reads, with a report of what came in and what did not.

It trains nothing and judges no reply. Nothing is cut short: what is too long, broken or unwanted is refused, or dropped
and counted where that was asked for. Rows are read in parts of `PART`, so that the set may be larger than memory.
Units: lengths in tokens; the longest is a prompt with one completion.
Fails: closed; DataError lists the rows that are too long.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec

from gnomon.core.canonical import digest, file_digest, from_builtins, sha256
from gnomon.core.errors import DataError, SettingsError
from gnomon.core.files import json_text, read_text, write_atomic
from gnomon.core.types import Json, Transcript
from gnomon.models.local import LocalModel
from gnomon.training import data, store
from gnomon.training.batches import (
    DemonstrationBatch,
    GaussianRewardBatch,
    LabelledBatch,
    PreferenceBatch,
    RewardBatch,
)
from gnomon.training.data import Skipped
from gnomon.training.examples import (
    Encoder,
    Example,
    demonstration_examples,
    labelled_examples,
    preference_examples,
)
from gnomon.training.formats import Kind, Row
from gnomon.training.shards import shards

PART = 1024
"""Rows that become tokens at a time. Labelled replies find their mismatched one within a part."""
LISTED = 20
"""Rows that an error or a report lists by name; the rest is counted."""
Encode = Callable[[Sequence[Mapping[str, Json]], Encoder], list[Example]]
_PAIRS: tuple[tuple[Kind, ...], Encode] = (("preference",), preference_examples)
READERS: Mapping[type[Any], tuple[tuple[Kind, ...], Encode]] = {
    PreferenceBatch: _PAIRS,
    RewardBatch: _PAIRS,
    GaussianRewardBatch: _PAIRS,
    DemonstrationBatch: (("demonstration", "preference"), demonstration_examples),
    LabelledBatch: (("labelled", "preference"), labelled_examples),
}
"""What each batch reads: the kinds of rows that serve, best first, and how they become examples."""


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What is taken of a data set, and what happens to rows that do not fit."""

    split: str = "train"
    limit: int | None = None
    """Most rows that are read."""
    longest: int | None = None
    """Most tokens of a prompt with a completion; None: what the model can hold."""
    too_long: Literal["refuse", "drop"] = "refuse"
    broken: Literal["refuse", "drop"] = "refuse"

    def __post_init__(self) -> None:
        for name in ("limit", "longest"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise SettingsError(f"data: {name} must be at least 1, or left out, not {value}")


@dataclass(kw_only=True)
class Report:
    """What came in. Counts of rows, except where it says tokens."""

    rows: int = 0
    """Whole rows that were read and not unwanted."""
    examples: int = 0
    tokens: int = 0
    longest: int = 0
    """Tokens of the longest prompt with a completion that was kept."""
    longest_at: str = ""
    vocabulary: int = 0
    """Different tokens."""
    unknown: int = 0
    """Tokens that stand for text which the tokenizer does not know."""
    repeated: int = 0
    """Demonstrations that were left out because the same one came before."""
    unwanted: int = 0
    """Rows that the caller named to be left out, as those that leak."""
    too_long: int = 0
    """Examples that were dropped for their length."""
    too_long_at: list[str] = field(default_factory=list)
    broken: int = 0
    broken_at: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Taken:
    """The examples of a data set and the report about them."""

    examples: Sequence[Example]
    report: Report


def take(
    source: str | Path,
    *,
    reads: type[Any],
    model: LocalModel,
    settings: Intake = Intake(),
    without: Collection[str] = (),
    folder: Path | None = None,
) -> Taken:
    """Examples of a file, a folder or a hub id for losses that read `reads`.

    `without`: places of rows to leave out, as `check` finds them. `folder`: keep the tokens in a file there and read
    them from it, now and the next time that the same is asked; without it they are held in memory.
    """
    if reads not in READERS:
        raise DataError(f"{reads.__name__} is made of sampled replies; give prompts (`prompts`) instead of examples")
    report = Report()
    made = _examples(source, reads, model, settings, frozenset(without), report)
    if folder is None:
        return Taken(_some(list(made), source, report), report)
    files = [[shard.name, file_digest(shard.path())] for shard in shards(source, settings.split)]
    key = digest([files, reads.__name__, _tokenizer(model), _most(model, settings), asdict(settings), sorted(without)])
    path, said = folder / f"{key}.examples", folder / f"{key}.json"
    if said.is_file() and path.is_file():
        return Taken(store.Store(path), from_builtins(msgspec.json.decode(read_text(said)), Report, where=str(said)))
    found = _some(store.write(made, path), source, report)
    write_atomic(said, json_text(asdict(report)))
    return Taken(found, report)


def prompts(
    source: str | Path,
    *,
    split: str = "train",
    limit: int | None = None,
    without: Collection[str] = (),
    skipped: Skipped | None = None,
) -> Iterator[Transcript]:
    """Prompts of a data set of any kind, one by one, with what is expected of their replies (see `data.read`)."""
    kinds: tuple[Kind, ...] = ("prompt", "preference", "labelled", "demonstration")
    for row in data.read(source, kinds=kinds, split=split, limit=limit, skipped=skipped):
        if row.place not in without:
            yield Transcript(row.prompt, row.expect)


def _examples(
    source: str | Path, reads: type[Any], model: LocalModel, settings: Intake, without: Collection[str], report: Report
) -> Iterator[Example]:
    """Examples as rows come in; the report is whole when the last is out. Raises DataError for those too long."""
    kinds, encode = READERS[reads]
    skipped, most = Skipped(), _most(model, settings)
    rows = data.read(
        source,
        kinds=kinds,
        split=settings.split,
        limit=settings.limit,
        skipped=skipped if settings.broken == "drop" else None,
    )
    tokenizer = model.tokenizer
    # Some tokenizers know every byte, and name the end token as the unknown one.
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id != tokenizer.eos_token_id else None
    vocabulary: set[int] = set()
    shown: set[str] = set()
    for part in _parts(_wanted(rows, without, report)):
        report.rows += len(part)
        for example in _new(encode([row.plain() for row in part], model), reads, len(part), shown, report):
            size = len(example.prompt) + max(map(len, example.completions))
            place = example.id.rpartition("#")[0]
            if size > most:
                report.too_long += 1
                report.too_long_at += [f"{place}: {size} tokens"][: LISTED - len(report.too_long_at)]
                continue
            if size > report.longest:
                report.longest, report.longest_at = size, place
            sequences = (example.prompt, *example.completions)
            vocabulary.update(*sequences)
            report.examples += 1
            report.tokens += sum(map(len, sequences))
            report.unknown += sum(s.count(unknown) for s in sequences if unknown is not None)
            yield example
    report.vocabulary = len(vocabulary)
    report.broken, report.broken_at = skipped.count, skipped.first
    if report.too_long and settings.too_long == "refuse":
        raise DataError(
            f"{source}: {report.too_long} examples are longer than {most} tokens; shorten them, or drop "
            f"them by too_long: drop\n    " + "\n    ".join(report.too_long_at)
        )


def _wanted(rows: Iterable[Row], without: Collection[str], report: Report) -> Iterator[Row]:
    for row in rows:
        if row.place in without:
            report.unwanted += 1
        else:
            yield row


def _parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows in parts of `PART`; a shorter rest goes with the part before it: alone, it might have no two prompts."""
    part = list(islice(rows, PART))
    while len(more := list(islice(rows, PART))) == PART:
        yield part
        part = more
    if part + more:
        yield part + more


def _new(examples: list[Example], reads: type[Any], rows: int, shown: set[str], report: Report) -> Iterator[Example]:
    """The examples that were not there before: demonstrations are taken once, as `demonstration_examples` does."""
    if reads is not DemonstrationBatch:
        yield from examples
        return
    report.repeated += rows
    for example in examples:
        if example.content not in shown:
            shown.add(example.content)
            report.repeated -= 1
            yield example


def _some(examples: Sequence[Example], source: str | Path, report: Report) -> Sequence[Example]:
    if not examples:
        left = {name: getattr(report, name) for name in ("unwanted", "too_long", "broken") if getattr(report, name)}
        raise DataError(f"{source}: no row is left ({', '.join(f'{n}: {count}' for n, count in left.items())})")
    return examples


def _most(model: LocalModel, settings: Intake) -> int:
    return min(settings.longest or model.context, model.context)


def _tokenizer(model: LocalModel) -> str:
    """Digest of all that turns text into tokens."""
    inner = getattr(model.tokenizer, "backend_tokenizer", None)
    words = inner.to_str() if inner is not None else str(sorted(model.tokenizer.get_vocab().items()))
    return sha256(f"{words}\n{model.tokenizer.chat_template}\n{model.tokenizer.eos_token_id}".encode())
