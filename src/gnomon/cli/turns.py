"""Conversations of many turns, each reply judged where it stands: the `turns` record that the horizon is read from.

It asks no model: the conversations are given, one JSON object a line.
Source: `cli.judging` for norms and golds; divergence from the goal is 1 - the `overlap` of the reply with it, which is
cheap and sees words alone.
Units: turns count from 1; gold and divergence in [0, 1].
Fails: closed; a line that cannot be read, or names an unknown preference, is a DataError at file:line.
"""

from collections.abc import Iterator
from pathlib import Path

from gnomon.charter.schema import Charter
from gnomon.cli.judging import judged
from gnomon.core.canonical import to_builtins
from gnomon.core.errors import DataError, choices
from gnomon.core.files import read_json_lines
from gnomon.core.types import Case, CaseKind, Json, Transcript
from gnomon.guard import jsonl
from gnomon.limits.horizon import Turn
from gnomon.scoring import judge


def judged_turns(path: Path, charter: Charter) -> Json:
    """The payload of a `turns` record: every reply of every conversation, and the conversations themselves.

    A line is {"id", "messages"}; it may have "preference", whose gold judges the replies, "expect", and "goal", a text.
    """
    whole: dict[str, Transcript] = {}
    asked: list[tuple[Case, int, Transcript, float | None]] = []
    for number, row in read_json_lines(path):
        where = f"{path}:{number}"
        name = str(row.get("id", number)) if isinstance(row, dict) else ""
        if not name or name in whole:
            raise DataError(f'{where}: write an object {{"id": …, "messages": […]}} whose id stands only once')
        try:
            whole[name] = jsonl.transcript(row)
            asked += _replies(name, whole[name], row, charter)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
    if not asked:
        raise DataError(f"{path}: no conversation has a reply of the assistant")
    found = judged(charter, [(case, [reply]) for case, _, reply, _ in asked])
    rows = [
        Turn(conversation=case.id, turn=turn, gold=one.gold, divergence=away, broken=one.breached)
        for (case, turn, _, away), (_, [one]) in zip(asked, found, strict=True)
    ]
    said = [{"conversation": name, "transcript": transcript} for name, transcript in whole.items()]
    return to_builtins({"rows": rows, "transcripts": said})


def _replies(
    name: str, whole: Transcript, row: Json, charter: Charter
) -> Iterator[tuple[Case, int, Transcript, float | None]]:
    """Each reply with what was said before it: its case, its turn, and how far it has left the goal."""
    target, expect, goal = row.get("preference", ""), row.get("expect", {}), row.get("goal", "")
    known = [p.id for p in charter.preferences]
    if target and target not in known:
        raise DataError(f"no preference '{target}'; {choices(str(target), known)}")
    near = judge.build("overlap", {"text": str(goal)}) if goal else None
    ends = [i for i, message in enumerate(whole.messages) if message.role == "assistant"]
    for turn, end in enumerate(ends, start=1):
        before, reply = Transcript(whole.messages[:end], expect), Transcript(whole.messages[: end + 1], expect)
        kind: CaseKind = "preference" if target else "probe"
        kept = judge.score(near, Transcript(reply.messages)).value if near else None
        case = Case(id=name, target=target, kind=kind, family=name, split="held-out", prompt=before)
        yield case, turn, reply, None if kept is None else 1 - kept
