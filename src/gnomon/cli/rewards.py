"""What `gnomon score --reward-model` does: transcripts and preference pairs judged by a reward model, line by line.

A row that cannot be judged keeps its line, with the reason; it is never dropped. It trains nothing and prints nothing.
Units: rewards in log-odds of being preferred; values and probabilities in [0, 1].
Fails: a line that is not JSON, or a file without a row that can be judged, is a DataError.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from gnomon.core.canonical import from_builtins
from gnomon.core.errors import DataError, ModelError
from gnomon.core.files import read_json_lines
from gnomon.core.types import Json, Transcript

PART = 32
"""Rows that are judged together."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One row: a transcript, a pair (chosen, rejected), or the reason why it is neither."""

    id: Json
    pair: bool
    transcripts: tuple[Transcript, ...] = ()
    tokens: tuple[Any, ...] = ()
    """The transcripts as the model reads them."""
    reason: str = ""


@dataclass
class Tally:
    """What the judged pairs come to."""

    odds: list[float] = field(default_factory=list)
    conversations: list[str] = field(default_factory=list)
    judged: int = 0
    left: list[str] = field(default_factory=list)
    """Why rows were not judged."""

    def sentences(self) -> Iterator[str]:
        """For a person, at the end."""
        from gnomon.cli.console import shown
        from gnomon.training.calibration import quality

        if self.odds:
            found, groups = quality(self.odds, self.conversations), len(set(self.conversations))
            yield f"{len(self.odds)} pairs of {groups} conversations: chosen is put higher in {shown(found.accuracy)}"
            yield f"calibration error {shown(found.calibration_error)}; Brier score {shown(found.brier)}"
        if self.left:
            yield f"{len(self.left)} rows were not judged; the first: {self.left[0]}"


def scored(source: Path, folder: Path, tally: Tally) -> Iterator[Json]:
    """A line for each row, in order; `tally` is filled on the way."""
    model = _load(folder)
    asked = _asked(source)
    while part := [_read(model, row) for row in islice(asked, PART)]:
        outputs = iter(model.judge([tokens for row in part for tokens in row.tokens]))
        for row in part:
            yield _line(model, row, list(islice(outputs, len(row.tokens))), tally)
    if not tally.judged:
        raise DataError(f"{source}: no row could be judged; {tally.left[0] if tally.left else 'it is empty'}")


def _read(model: Any, row: Asked) -> Asked:
    read = [] if row.reason else [model.read(t) for t in row.transcripts]
    reason = row.reason or next((r for r in read if isinstance(r, str)), "")
    return replace(row, reason=reason, tokens=() if reason else tuple(read))


def _line(model: Any, row: Asked, outputs: Sequence[Any], tally: Tally) -> Json:
    if row.reason:
        tally.left.append(f"row {row.id}: {row.reason}")
        empty = ("chosen", "rejected", "probability") if row.pair else ("value", "good", "reward")
        return {"id": row.id, **dict.fromkeys(empty), "reason": row.reason}
    tally.judged += 1
    rewards = [output[0].item() for output in outputs]
    if row.pair:
        odds = model.log_odds(outputs[0][None], outputs[1][None]) / model.calibration.temperature
        tally.odds.append(odds.item())
        tally.conversations.append(_conversation(row.transcripts[0]))
        probability = odds.sigmoid().item()
        return {"id": row.id, "chosen": rewards[0], "rejected": rewards[1], "probability": probability, "reason": ""}
    value = model.squashed(outputs[0][0]).item()
    return {"id": row.id, "value": value, "good": value, "reward": rewards[0], "reason": ""}


def _asked(source: Path) -> Iterator[Asked]:
    for number, row in read_json_lines(source):
        where = f"{source}:{number}"
        if not isinstance(row, Mapping):
            raise DataError(f"{where}: write an object: messages, or chosen and rejected")
        pair = "messages" not in row
        id_ = row.get("id", number)
        try:
            yield Asked(id=id_, pair=pair, transcripts=tuple(_pair(row) if pair else [_transcript(row)]))
        except DataError as error:
            yield Asked(id=id_, pair=pair, reason=str(error))


def _transcript(row: Mapping[str, Json]) -> Transcript:
    return from_builtins({k: v for k, v in row.items() if k in ("messages", "expect")}, Transcript)


def _pair(row: Mapping[str, Json]) -> Iterable[Transcript]:
    from gnomon.training.formats import convert, recognise

    found = convert(row, recognise(row, ("preference",)))
    return [Transcript(found.prompt).answered(reply) for reply in found.replies]


def _conversation(transcript: Transcript) -> str:
    from gnomon.training.leakage import normal

    return normal(next((m.content for m in transcript.messages if m.role == "user"), ""))


def _load(folder: Path) -> Any:
    try:
        from gnomon.models import reward_model
    except ImportError as error:
        raise ModelError(f"a reward model needs {error.name}; install gnomon[train]") from error
    return reward_model.load(folder)
