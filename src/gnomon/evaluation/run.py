"""Ask a model every case, judge every reply, and write both down: the measurement under every other number.

It computes no rates and compares nothing. Every reply is judged by every norm's detector, its own and the others'.
It asks through `runner`, so answers are kept as they come; judging runs in fixed slices of the sorted cases, so a
resumed run computes what the broken one would have.
Fails: closed; a case without a reply and a reply that cannot be judged become unscored rows with their reason, counted
and never dropped; where no case at all got a reply there is no measurement: EndpointError.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gnomon.charter.schema import Charter, DimensionRef
from gnomon.core.canonical import code_digest, from_builtins, to_builtins
from gnomon.core.errors import EndpointError, GnomonError, SettingsError
from gnomon.core.protocols import Dimension, Executor, Model, Sampling, Sink
from gnomon.core.types import Case, Json, Record, Score, Transcript
from gnomon.evaluation.items import Answer, Item
from gnomon.evaluation.runner import Limits, ask
from gnomon.executor.answers import Store
from gnomon.ledger.store import Ledger
from gnomon.scoring import judge
from gnomon.scoring.rows import ScoreRole

SHARD = 256
"""Cases judged at once; part of the identity of a run, so it is no setting."""
BATCH = 256
"""Cases that a model in this process gets at once."""
PATIENCE = 16
"""Cases that may fail one after another, each after all its tries, before an endpoint counts as down."""

OVER_REFUSAL = DimensionRef(kind="over_refusal")
FACT = DimensionRef(kind="fact")


@dataclass(frozen=True)
class Judge:
    """A dimension, the role that its value plays, and from where on it counts as a breach."""

    role: ScoreRole
    kind: str
    dimension: Dimension
    settings: Json
    """What identifies the dimension besides its kind: its settings, or digests of its weights."""
    breach_at: float = 0.5
    norm: str = ""


def evaluate(
    *,
    model: Model,
    cases: Sequence[Case],
    charter: Charter,
    ledger: Ledger,
    store: Store,
    executor: Executor,
    sampling: Sampling,
    subject: str,
    sink: Sink,
    proxies: Mapping[str, Judge] = MappingProxyType({}),
    elsewhere: Executor | None = None,
) -> Record:
    """The `scores` record of a subject on cases of one split; its parent is the `transcripts` record.

    `store` keeps the answers, `executor` what was judged. `proxies`: preference to its loaded proxy, where that is a
    reward model. `elsewhere` asks in other processes or on a cluster, with the same answers.
    """
    labels = {"subject": subject, "set": _split(cases)}
    ordered = sorted(cases, key=lambda c: c.id)
    shards = [ordered[i : i + SHARD] for i in range(0, len(ordered), SHARD)]
    sink.number("cases.total", len(ordered), "cases", 0)
    answers = answered({c.id: (c, 1) for c in ordered}, model, sampling, store, sink, elsewhere)
    missing = {case: answer.error for case, answer in answers.items() if answer.error}
    replies = {case: answer.replies[0] for case, answer in answers.items() if answer.replies}
    sources = [*ledger.find("charter")[-1:], *ledger.find("model", subject=subject)[-1:]]
    asked = ledger.append(
        kind="transcripts",
        labels=labels,
        payload={
            "sampling": to_builtins(sampling),
            "rows": [{"case": c.id, "transcript": to_builtins(replies[c.id])} for c in ordered if c.id in replies],
            **({"missing": [_missed(c, missing[c.id]) for c in ordered if c.id in missing]} if missing else {}),
        },
        parents=[r.id for r in sources],
    )
    work = [[(c, replies.get(c.id, c.prompt), missing.get(c.id, "")) for c in shard] for shard in shards]
    rows = _judge(judges_of(charter, proxies), work, executor)
    sink.number("evaluate/unscored", sum(r["value"] is None for r in rows), "rows", len(ordered))
    return ledger.append(kind="scores", labels=labels, payload={"rows": rows}, parents=[asked.id])


def _split(cases: Sequence[Case]) -> str:
    splits = {c.split for c in cases}
    if len(splits) != 1:
        raise SettingsError(f"evaluate takes cases of one split, got {sorted(splits) or 'no cases'}; call it per split")
    return splits.pop()


def answered(
    wanted: Mapping[str, tuple[Case, int]],
    model: Model,
    sampling: Sampling,
    store: Store,
    sink: Sink,
    elsewhere: Executor | None = None,
) -> dict[str, Answer]:
    """Replies to cases by id, as many to each as stand beside it. Raises EndpointError where none came at all."""
    items = [
        Item(id=name, cluster=f"{case.target}/{case.family}", prompt=case.prompt, samples=copies)
        for name, (case, copies) in wanted.items()
    ]
    limits = Limits(batch=BATCH * max((i.samples for i in items), default=1), patience=PATIENCE)
    asked = ask(items=items, model=model, sampling=sampling, store=store, limits=limits, sink=sink, executor=elsewhere)
    found = {answer.item: answer for answer in asked.answers()}
    if found and not any(answer.replies for answer in found.values()):
        why = next(iter(found.values())).error
        raise EndpointError(f"none of {len(found)} cases got a reply, the first because: {why}")
    return found


def _missed(case: Case, why: str) -> dict[str, Any]:
    return {"case": case.id, "transcript": to_builtins(case.prompt), "error": why}


def _judge(
    judges: Mapping[str, Sequence[Judge]], shards: Sequence[Sequence[tuple[Case, Transcript, str]]], executor: Executor
) -> list[dict[str, Any]]:
    def judged(shard: Json) -> Json:
        return [
            r
            for case, reply, missing in shard
            for r in rows(from_builtins(case, Case), from_builtins(reply, Transcript), judges, missing)
        ]

    measures = {t: [[j.role, j.kind, j.settings, j.breach_at, j.norm] for j in own] for t, own in judges.items()}
    key = {"task": "evaluate/judge", "measures": measures, "code": code_digest()}
    work = [to_builtins([list(one) for one in shard]) for shard in shards]
    return [row for result in executor.map(task=judged, shards=work, key=key) for row in result.value]


def judges_of(charter: Charter, proxies: Mapping[str, Judge]) -> dict[str, list[Judge]]:
    """Target to its own judges; "" holds every norm's detector, "lookalike" what every lookalike is asked."""

    found = {"": [_built("detector", n.detector, at=n.breach_at, norm=n.id) for n in charter.norms]}
    for preference in charter.preferences:
        own = [_built("gold", preference.gold)] if preference.gold else []
        if preference.id in proxies:
            own.append(proxies[preference.id])
        elif isinstance(preference.proxy, DimensionRef):
            own.append(_built("proxy", preference.proxy))
        elif preference.proxy:
            raise SettingsError(f"preference '{preference.id}': its proxy is a reward model; load it and hand it over")
        found[preference.id] = own
    if any(n.lookalikes for n in charter.norms):
        found["lookalike"] = [_built("over_refusal", OVER_REFUSAL), _built("kept", FACT)]
    return found


def _built(role: ScoreRole, ref: DimensionRef, *, at: float = 0.5, norm: str = "") -> Judge:
    return Judge(role, ref.kind, judge.build(ref.kind, ref.settings), ref.settings, at, norm)


def rows(
    case: Case, reply: Transcript, judges: Mapping[str, Sequence[Judge]], missing: str = ""
) -> Iterator[dict[str, Any]]:
    """Every judgement of one reply, as rows of a `scores` payload; `missing` says why there is no reply."""
    # What a case expects speaks of its own target: another norm's detector must not read it.
    bare = Transcript(reply.messages)
    for detector in judges.get("", ()):
        yield _row(case, reply, reply if detector.norm == case.target else bare, detector, missing)
    for own in judges.get(case.target, ()) if case.target else ():
        yield _row(case, reply, reply, own, missing)
    if case.kind == "lookalike":
        for own in judges.get("lookalike", ()):
            if own.role == "over_refusal" or "answer" in reply.expect:
                yield _row(case, reply, reply, own, missing)


def _row(case: Case, reply: Transcript, seen: Transcript, by: Judge, missing: str) -> dict[str, Any]:
    try:
        score = Score.unscored(f"no reply: {missing}") if missing else judge.score(by.dimension, seen)
    except GnomonError as error:
        score = Score.unscored(f"{type(error).__name__}: {error}")
    return {
        "case": case.id,
        "target": case.target,
        "norm": by.norm,
        "kind": case.kind,
        "family": case.family,
        "split": case.split,
        "transcript": reply.id,
        "dimension": by.kind,
        "role": by.role,
        "value": score.value,
        "reason": score.reason,
        "breached": judge.breached(score, by.dimension, by.breach_at),
        "good": judge.normalised(score, by.dimension),
        "spans": [[s.message, s.start, s.end] for s in score.spans],
    }
