"""From a suite and a model to signed records: its items asked, its answers kept, its estimates with their evidence.

    answers    what the model gave, item by item: in the payload while small, else a file that it names by digest
    measures   the estimates of one suite, the items that count most against the model, the clusters of items that have
               values, and what labels say of the suite's own programs; its parent is `answers`

It computes nothing itself: `recomputed` gives the same estimates from the records, as long as the items are the same.
Source: `runner`; the layout of `ledger` for files by digest.
Fails: closed; answers that are missing or were changed raise IntegrityError.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from gnomon.core.canonical import file_digest, from_builtins, to_builtins
from gnomon.core.errors import DataError, IntegrityError, SettingsError
from gnomon.core.files import storage
from gnomon.core.protocols import Executor, Model, Sampling, Sink
from gnomon.core.types import Json, Record
from gnomon.evaluation import asked as naming
from gnomon.evaluation import judge_error
from gnomon.evaluation.asked import Asked
from gnomon.evaluation.items import Answer, Following, Item, Measured, Suite
from gnomon.evaluation.likelihood import likelihoods
from gnomon.evaluation.runner import DEFAULT, QUIET, Likelihood, Limits, ask
from gnomon.executor.answers import Store
from gnomon.ledger import disk
from gnomon.ledger.layout import ANSWERS, answers_path
from gnomon.ledger.store import Ledger

INLINE = 2**20
"""Bytes of answers that a payload may hold; more become a file."""


def measure(
    *,
    suite: Suite,
    name: str,
    subject: str,
    model: Model,
    seed: int,
    store: Store,
    ledger: Ledger,
    share: float = 1.0,
    limits: Limits = DEFAULT,
    sink: Sink = QUIET,
    likelihood: Likelihood = likelihoods,
    executor: Executor | None = None,
) -> Record:
    """The `measures` record of a suite; `rows` of it gives the estimates. Items are those of the seed.

    `share` of the clusters are asked, evenly over their order, but at least one.
    """
    sampling = sampling_of(suite, seed)
    items = thinned(suite.items(seed=seed), share)
    first = naming.items_digest(items)
    while True:
        found = ask(
            items=items,
            model=model,
            sampling=sampling,
            store=store,
            limits=limits,
            sink=sink,
            likelihood=likelihood,
            executor=executor,
        )
        more = suite.follow(items=items, answers=found) if isinstance(suite, Following) else ()
        if not more:
            break
        items = [*items, *more]
    labels = {"subject": subject, "suite": name}
    payload = {
        "suite": name,
        "version": version(suite),
        "settings": to_builtins(suite),
        "share": share,
        "first": first,
        "items": naming.items_digest(items),
        "model": dict(model.identity),
        "sampling": to_builtins(sampling),
        **_kept(found, ledger.folder),
    }
    sources = [r.id for r in ledger.find("model", subject=subject)[-1:]]
    answers = ledger.append(kind=ANSWERS, labels=labels, payload=payload, parents=sources)
    told = _told(suite, name, items, suite.measured(items=items, answers=found))
    return ledger.append(kind="measures", labels=labels, payload=told, parents=[answers.id])


def _told(suite: Suite, name: str, items: Sequence[Item], measured: Sequence[Measured]) -> dict[str, Json]:
    """The payload of `measures`."""
    by_id = {i.id: i for i in items}
    valued = dict.fromkeys(item for m in measured for item in m.values)
    worst = dict.fromkeys(item for m in measured for item in m.worst)
    checked = judge_error.checked(suite, name)
    errors = {
        m.dimension: corrected
        for m in measured
        if m.dimension in checked and (corrected := judge_error.corrected(m, by_id, checked[m.dimension]))
    }
    return {
        "rows": to_builtins(measured),
        "clusters": {item: by_id[item].cluster for item in valued},
        "worst": to_builtins([by_id[item] for item in worst]),
        "judges": to_builtins(errors),
    }


def sampling_of(suite: Suite, seed: int) -> Sampling:
    """How a suite's replies are drawn: by settings of its own where it has them."""
    known = {k: v for k in ("max_new_tokens", "temperature") if (v := getattr(suite, k, None)) is not None}
    return Sampling(**known, seed=seed)


def version(suite: Suite) -> str:
    """What the suite's file says of itself; empty where it says nothing."""
    return str(getattr(sys.modules[type(suite).__module__], "VERSION", ""))


def thinned(items: Sequence[Item], share: float) -> Sequence[Item]:
    """The items of a share of the clusters, evenly over the order in which clusters first appear."""
    if not 0 < share <= 1:
        raise SettingsError(f"share is {share}; write a number above 0, up to 1")
    clusters = list(dict.fromkeys(i.cluster for i in items))
    kept = {c for n, c in enumerate(clusters) if int((n + 1) * share) > int(n * share)} or set(clusters[:1])
    return items if share == 1 else [i for i in items if i.cluster in kept]


def rows(ledger: Ledger, measures: Record) -> list[Measured]:
    """The estimates of a `measures` record."""
    return [from_builtins(row, Measured) for row in ledger.payload(measures)["rows"]]


def recomputed(suite: Suite, ledger: Ledger, measures: Record) -> list[Measured]:
    """The estimates of a `measures` record, computed again from its answers. Raises DataError for other items."""
    record = ledger.get(measures.parents[0])
    payload = ledger.payload(record)
    found = answers_of(ledger, record)
    return list(suite.measured(items=asked_items(suite, payload, found), answers=found))


def asked_items(suite: Suite, payload: Mapping[str, Json], answers: Mapping[str, Answer]) -> Sequence[Item]:
    """What an `answers` payload was asked, follow-ups too. Raises DataError if the suite has other items now."""
    items = thinned(suite.items(seed=payload["sampling"]["seed"]), payload["share"])
    while isinstance(suite, Following) and (more := suite.follow(items=items, answers=answers)):
        items = [*items, *more]
    if naming.items_digest(items) != payload["items"]:
        raise DataError(
            f"the suite '{payload['suite']}' has other items now than those that were asked; give it the same data"
        )
    return items


def answers_of(ledger: Ledger, answers: Record) -> Mapping[str, Answer]:
    """The answers of an `answers` record by item id. Raises IntegrityError unless they are those that were signed."""
    payload = ledger.payload(answers)
    if "rows" in payload:
        found = [from_builtins(row, Answer) for row in payload["rows"]]
    else:
        found = list(_read(ledger.folder / answers_path(payload["file"]), payload["file"]))
    return {answer.item: answer for answer in found}


def _kept(found: Asked, folder: Path) -> dict[str, Json]:
    """What a payload says of the answers; a file beside the ledger when they are many. Never all in memory."""
    count, errors, letters, small = 0, 0, 0, list[Answer]()
    size = 0
    with storage(folder):
        (folder / ANSWERS).mkdir(parents=True, exist_ok=True)
        for left in (folder / ANSWERS).glob(".*.draft"):  # of a run that was killed: the ledger has one writer
            left.unlink()
        descriptor, name = tempfile.mkstemp(dir=folder / ANSWERS, prefix=".", suffix=".draft")
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                for answer in found.answers():
                    line = naming.line(answer)
                    handle.write(line)
                    count, errors, size = count + 1, errors + bool(answer.error), size + len(line)
                    letters += answer.lettered
                    if size <= INLINE:
                        small.append(answer)
                    else:
                        small.clear()
                handle.flush()
                os.fsync(handle.fileno())
            told = {"answers": count, "errors": errors} | ({"lettered": letters} if letters else {})
            if size <= INLINE:
                return {**told, "rows": to_builtins(small)}
            digest = file_digest(draft)
            target = folder / answers_path(digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.chmod(draft, 0o644)
            os.replace(draft, target)
            disk.sync(target.parent)
            return {**told, "file": digest, "bytes": size}
        finally:
            draft.unlink(missing_ok=True)


def _read(path: Path, digest: str) -> Iterator[Answer]:
    if not path.is_file():
        raise IntegrityError(f"{path}: the answers that a record names are missing; put them back from a copy")
    with storage(path):
        if file_digest(path) != digest:
            raise IntegrityError(f"{path}: the answers were changed since they were signed")
        with path.open("rb") as handle:
            for line in handle:
                yield from_builtins(msgspec.json.decode(line), Answer)
