"""What `gnomon leaks` reads and shows: canaries, texts and documents from files; tables without a secret in them.

Fails: closed; a file without a usable row is a DataError that says what a row must look like.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.cli import console
from gnomon.core.canonical import digest
from gnomon.core.errors import DataError, SettingsError
from gnomon.core.files import read_json_lines, read_text
from gnomon.core.types import Estimate, Json, Message, Transcript

if TYPE_CHECKING:
    from gnomon.redteam.extraction.canaries import Canary
    from gnomon.redteam.extraction.membership import Text, Told
    from gnomon.redteam.extraction.report import Fall, Group
    from gnomon.redteam.extraction.sampled import Verbatim

FORM = '{"text": "..."} or {"prompt": ..., "completion": "..."}'


def canaries(path: Path) -> "list[Canary]":
    """Planted canaries and controls."""
    from gnomon.redteam.extraction.canaries import read

    return read(path)


def texts(path: Path) -> "list[Text]":
    """A text a row: `text` alone, or `completion` behind `prompt`; `cluster` names the document that it is from."""
    from gnomon.redteam.extraction.membership import Text

    found = []
    for line, row in read_json_lines(path):
        where = f"{path}:{line}"
        text, prompt = _parts(row, where)
        asked = Transcript(prompt) if prompt else None
        cluster = str(row.get("cluster") or (digest([m.content for m in prompt]) if prompt else ""))
        found.append(Text(id=where, text=text, prompt=asked, cluster=cluster))
    if not found:
        raise DataError(f"{path}: it holds no row; write one a line: {FORM}")
    return found


def documents(paths: Sequence[Path]) -> list[str]:
    """Every text of the rows of JSON lines, each a document; any other file is one."""
    found: list[str] = []
    for path in paths:
        if path.suffix == ".jsonl":
            found += [text for _, row in read_json_lines(path) for text in _strings(row)]
        else:
            found.append(read_text(path))
    return found


def inside(model: Any, what: str) -> None:
    """Raises SettingsError for a model that only answers conversations."""
    if not hasattr(model, "tokenizer"):
        name = model.identity.get("name", "this model")
        raise SettingsError(f"{name} gives replies only; {what} needs a model in this process: a folder or a hub id")


def canary_table(groups: "Sequence[Group]") -> None:
    """One line for each number of repeats."""
    rows = [
        (
            str(g.repeats) if g.repeats else "never",
            str(g.canaries),
            _bits(g.exposure),
            _bits(g.extrapolated),
            f"{g.exact}, {g.capped}" if g.exposure else "-",
            _share(g.continued),
            _share(g.asked),
            _area(g.area),
        )
        for g in groups
    ]
    columns = ("repeats", "canaries", "exposure (bits)", "by the curve", "exact, capped", "continued", "asked", "AUROC")
    console.table("Canaries: what the model knows of them", columns, rows)
    console.result("Exposure of a secret never seen is 1.44 bits on average; AUROC is of the secrets' log-probability.")


def falls(found: "Sequence[Fall]") -> None:
    """Whether the figures rise with the repeats."""
    for fall in found:
        console.result(f"{fall.figure} falls from {fall.fewer} to {fall.more} repeats, by {fall.by:.3g}")
    if not found:
        console.result("Every figure rises, or stays, with the repeats.")


def membership_table(told: "Sequence[Told]", members: int, others: int) -> None:
    """One line a score."""
    rows = [
        (
            t.score,
            _area(t.area),
            *(console.shown(h.hits) if h.hits else "not possible" for h in t.hits),
        )
        for t in told
    ]
    at = [f"members found at {h.at:.1%} false alarms" for h in (told[0].hits if told else ())]
    console.table(f"Membership: {members} members, {others} others", ("score", "AUROC", *at), rows)
    for why in dict.fromkeys(h.why for t in told for h in t.hits if h.why):
        console.result(f"Not possible: {why}.")
    console.result("0.5 is chance. Members and others that differ in topic or style are told apart by that alone.")


def corpus_table(found: "Verbatim") -> None:
    """The share of what was written that stands in the corpus."""
    console.result(
        f"Verbatim, {found.length} tokens in a row or more: {console.shown(found.found)} of {found.distinct} "
        f"different texts ({found.samples} written); the longest run has {found.longest} tokens"
    )
    rows = [(name, console.shown(share)) for name, share in found.top.items()]
    console.table("Among the tenth that a score ranks highest", ("score", "verbatim"), rows)


def _bits(found: Estimate | None) -> str:
    return f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]" if found else "-"


def _share(found: Estimate | None) -> str:
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]" if found else "-"


def _area(found: Estimate | None) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]" if found else "-"


def _parts(row: Json, where: str) -> tuple[str, tuple[Message, ...]]:
    """A row's text, and the conversation before it."""
    if not isinstance(row, dict):
        raise DataError(f"{where}: it is no object; write {FORM}")
    text, prompt = row.get("text", row.get("completion")), row.get("prompt")
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{where}: it has no text; write {FORM}")
    if "text" in row or prompt is None:
        return text, ()
    if isinstance(prompt, str):
        return text, (Message("user", prompt),)
    try:
        return text, tuple(Message(m["role"], m["content"]) for m in prompt)
    except (TypeError, KeyError) as error:
        raise DataError(f"{where}: the prompt is neither text nor a list of messages with role and content") from error


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
