"""`gnomon leaks MODEL`: how much of its training data a model gives away; no charter is needed.

Canaries that were planted (`gnomon canaries`): exposure and exact extraction by repeats. Members and non-members: how
well scores tell them apart. A corpus: how much of what the model writes by itself stands in it word for word.
Every part is cut into shards that a killed run does not ask again, and ends in a signed record without any text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from gnomon.cli import console, leaking
from gnomon.cli.environment import environment
from gnomon.cli.session import JSON, KEY, OUT, SEED
from gnomon.core.canonical import code_digest, digest, from_builtins, to_builtins
from gnomon.core.errors import EXIT_MET, SettingsError
from gnomon.core.types import Json
from gnomon.executor.local import Local
from gnomon.ledger.store import Ledger

AT_ONCE = 16
"""Canaries, texts or samples in one shard."""


@dataclass(frozen=True, kw_only=True)
class _Work:
    """A measurement under way: the model, who keeps its shards, and where its records go."""

    model: Any
    references: tuple[Any, ...]
    folder: Path
    bars: console.Bars
    ledger: Ledger
    seed: int

    def sharded(self, title: str, task: Callable[[Any], Json], count: int, key: Json) -> list[Any]:
        """Rows of a task over the numbers 0 to `count`, those that are there already read back."""
        shards = [list(range(at, min(at + AT_ONCE, count))) for at in range(0, count, AT_ONCE)]
        models = [dict(self.model.identity), *(dict(r.identity) for r in self.references)]
        whole = {"models": models, "seed": self.seed, "code": code_digest(), "what": key}
        work = Local(self.folder / "work" / "shards", self.bars.stage(title))
        return [row for result in work.map(task=task, shards=shards, key=whole) for row in result.value]


def leaks(
    model: str = typer.Argument(..., metavar="MODEL", help="embedded, a folder, a hub id, or http://host/v1#name."),
    canaries: Path | None = typer.Option(None, "--canaries", help="canaries.jsonl of gnomon canaries."),
    members: Path | None = typer.Option(None, "--members", help="Texts that were in the training data (JSON lines)."),
    nonmembers: Path | None = typer.Option(None, "--nonmembers", help="Texts of the same kind that were not."),
    corpus: list[Path] = typer.Option([], "--corpus", help="Training data in which to look up what the model writes."),
    reference: list[str] = typer.Option([], "--reference", help="A model that has not seen them; may be repeated."),
    sample: int = typer.Option(256, "--sample", min=8, help="Other secrets to which a canary's is compared."),
    searched: int = typer.Option(256, "--searched", min=0, help="Most beginnings that the search for a rank reads."),
    neighbours: int = typer.Option(0, "--neighbours", min=0, help="Versions of each text with words left out."),
    longest: int = typer.Option(512, "--longest", min=1, help="Most tokens of a text that are scored."),
    samples: int = typer.Option(256, "--samples", min=1, help="Texts that the model writes, for --corpus."),
    start: str = typer.Option("", "--start", help="What they begin with; empty: the model's first token."),
    run: int = typer.Option(50, "--run", min=1, help="Tokens in a row that count as training data."),
    out: Path | None = OUT,
    seed: int = SEED,
    key: Path | None = KEY,
    show: bool = typer.Option(False, "--show", help="Print the secrets and texts that were found."),
    json: bool = JSON,
) -> None:
    """Measure what a model gives away, as in: gnomon leaks MODEL --canaries canaries/canaries.jsonl."""
    if not (canaries or members or nonmembers or corpus):
        raise SettingsError("write --canaries FILE, --members FILE with --nonmembers FILE, or --corpus FILE")
    if bool(members) != bool(nonmembers):
        raise SettingsError("--members and --nonmembers are compared with each other; name both")
    # What is asked for is read before a model is loaded: a wrong path should cost nothing.
    planted = leaking.canaries(canaries) if canaries else []
    texts = [leaking.texts(path) for path in (members, nonmembers) if path]
    documents = leaking.documents(corpus) if corpus else []
    asked = {"canaries": planted, "texts": texts, "documents": documents, "sample": [sample, searched, seed]}
    more = {"neighbours": neighbours, "longest": longest, "samples": samples, "start": start, "run": run}
    told: dict[str, Json] = {"model": model}
    with console.bars(quiet=json) as bars:
        loaded = _loaded([model, *reference], bars)
        identities = [dict(m.identity) for m in loaded]
        name = digest({"asked": to_builtins(asked), "more": more, "models": identities, "code": code_digest()})
        folder = out or Path("runs") / f"leaks-{name[:8]}"
        with Ledger.open(folder / "evidence", key=environment(key).key) as ledger:
            ledger.append(kind="model", labels={"subject": "before"}, payload=identities[0])
            work = _Work(
                model=loaded[0], references=tuple(loaded[1:]), folder=folder, bars=bars, ledger=ledger, seed=seed
            )
            if planted:
                told["canaries"] = _canaries(work, planted, sample, searched, show)
            if texts:
                told["membership"] = _membership(work, texts, neighbours, longest)
            if documents:
                told["corpus"] = _corpus(work, documents, samples, start, run, show)
    told["folder"] = str(folder)
    if json:
        console.result_json(told)
    else:
        _tell(told, show)
    raise typer.Exit(EXIT_MET)


def _loaded(names: Sequence[str], bars: console.Bars) -> list[Any]:
    from gnomon.models.load import load

    here = environment(None)
    bars.stage("Load the model" if len(names) == 1 else f"Load {len(names)} models")
    return [load(None if n == "embedded" else n, cache=here.home, api_key=here.token) for n in names]


def _canaries(work: _Work, planted: Sequence[Any], sample: int, searched: int, show: bool) -> Json:
    from gnomon.redteam.extraction import report

    def task(numbers: Sequence[int]) -> Json:
        block = [planted[n] for n in numbers]
        return report.rows(work.model, block, sample=sample, searched=searched, seed=work.seed)

    # The secrets belong to what the rows depend on, and must not be read off the key: it is a digest.
    key = {"part": "canaries", "canaries": digest(to_builtins(planted)), "sample": sample, "searched": searched}
    rows = work.sharded("Canaries", task, len(planted), key)
    groups = report.groups(rows)
    found: dict[str, Json] = {"groups": to_builtins(groups), "falls": to_builtins(report.falls(groups))}
    record = work.ledger.append(
        kind="leaks", labels={"part": "canaries"}, payload={**found, "rows": rows}, settings=key
    )
    if show:
        said = {row["id"] for row in rows if row["asked"] or row.get("continued")}
        found["secrets"] = [{"id": c.id, "repeats": c.repeats, "reply": c.reply} for c in planted if c.id in said]
    return {**found, "record": record.id}


def _membership(work: _Work, groups: Sequence[Sequence[Any]], neighbours: int, longest: int) -> Json:
    from gnomon.redteam.extraction import membership

    leaking.inside(work.model, "membership")
    texts = [text for group in groups for text in group]

    def task(numbers: Sequence[int]) -> Json:
        block = [texts[n] for n in numbers]
        tokens = membership.read(work.model, block, longest=longest)
        told = membership.scores(block, tokens)
        if neighbours:
            near = [membership.neighbours(text, neighbours, seed=work.seed) for text in block]
            lost = membership.losses(work.model, [n for group in near for n in group], longest=longest)
            told |= membership.beside(
                told["loss"], [lost[at : at + neighbours] for at in range(0, len(lost), neighbours)]
            )
        # The model itself is read again in the same way: a gap must not be one of rounding.
        beside = (work.model, *work.references) if work.references else ()
        outside = [membership.losses(each, block, longest=longest) for each in beside]
        return [
            {"scores": {name: values[at] for name, values in told.items()}, "outside": [o[at] for o in outside]}
            for at in range(len(block))
        ]

    key = {"part": "membership", "texts": digest(to_builtins(groups)), "neighbours": neighbours, "longest": longest}
    rows = work.sharded("Members and non-members", task, len(texts), key)
    scores = {name: [row["scores"][name] for row in rows] for name in rows[0]["scores"]}
    outside = list(zip(*(row["outside"] for row in rows), strict=True))
    scores |= membership.against(outside[0], outside[1:]) if outside else {}
    cut = len(groups[0])
    names = [text.cluster or text.id for text in texts]
    told = membership.told(
        {name: values[:cut] for name, values in scores.items()},
        {name: values[cut:] for name, values in scores.items()},
        member_clusters=names[:cut],
        other_clusters=names[cut:],
    )
    payload = {"scores": to_builtins(told), "members": cut, "nonmembers": len(texts) - cut}
    record = work.ledger.append(kind="leaks", labels={"part": "membership"}, payload=payload, settings=key)
    return {**payload, "record": record.id}


def _corpus(work: _Work, documents: Sequence[str], samples: int, start: str, length: int, show: bool) -> Json:
    from gnomon.redteam.extraction import corpus, sampled

    leaking.inside(work.model, "what it writes by itself")
    work.bars.stage("Index the corpus")
    tokens = work.model.tokenizer(list(documents), add_special_tokens=False)["input_ids"]
    index = corpus.index(tokens, length=length)

    def task(numbers: Sequence[int]) -> Json:
        return sampled.rows(work.model, numbers, references=work.references, start=start, seed=work.seed)

    rows = work.sharded("Samples", task, samples, {"part": "corpus", "start": start})
    whole, hits = sampled.looked_up(rows, index)
    key = {"corpus": digest(list(documents)), "start": start, "samples": samples, "length": length}
    payload: dict[str, Json] = {"verbatim": to_builtins(whole), "hits": hits}
    record = work.ledger.append(kind="leaks", labels={"part": "corpus"}, payload=payload, settings=key)
    found = {**payload, "record": record.id}
    if show:
        text = {row["number"]: row["text"] for row in rows}
        found["texts"] = [{"number": hit["number"], "text": text[hit["number"]]} for hit in hits]
    return found


def _tell(told: dict[str, Any], show: bool) -> None:
    from gnomon.redteam.extraction.membership import Told
    from gnomon.redteam.extraction.report import Fall, Group
    from gnomon.redteam.extraction.sampled import Verbatim

    if part := told.get("canaries"):
        leaking.canary_table([from_builtins(g, Group) for g in part["groups"]])
        leaking.falls([from_builtins(f, Fall) for f in part["falls"]])
    if part := told.get("membership"):
        leaking.membership_table([from_builtins(t, Told) for t in part["scores"]], part["members"], part["nonmembers"])
    if part := told.get("corpus"):
        leaking.corpus_table(from_builtins(part["verbatim"], Verbatim))
    for name, column in (("canaries", "secrets"), ("corpus", "texts")):
        for row in told.get(name, {}).get(column, []) if show else []:
            console.result("  ".join(f"{k}: {v}" for k, v in row.items()))
    console.result(f"Evidence: {told['folder']}/evidence")
