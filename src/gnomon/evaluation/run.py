"""Ask a model every case, judge every reply, and write both down: the measurement under every other number.

It computes no rates and compares nothing. Every reply is judged by every norm's detector, its own and the others'.
Shards are fixed slices of the sorted cases, so a resumed run computes what the broken one would have.
Fails: closed; a reply that cannot be judged becomes an unscored row with its reason, counted and never dropped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

from gnomon.charter.schema import Charter, DimensionRef
from gnomon.core.canonical import code_digest, from_builtins, to_builtins
from gnomon.core.errors import GnomonError, ModelError, SettingsError
from gnomon.core.protocols import Dimension, Executor, Model, Sampling, Sink
from gnomon.core.types import Case, Json, Record, Score, Transcript
from gnomon.ledger.store import Ledger
from gnomon.scoring import judge
from gnomon.scoring.rows import ScoreRole

SHARD = 256
"""Cases asked at once; part of the identity of a run, so it is no setting."""

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
    executor: Executor,
    sampling: Sampling,
    subject: str,
    sink: Sink,
    proxies: Mapping[str, Judge] = MappingProxyType({}),
) -> Record:
    """The `scores` record of a subject on cases of one split; its parent is the `transcripts` record.

    `proxies`: preference to its loaded proxy, where that is a reward model.
    """
    labels = {"subject": subject, "set": _split(cases)}
    ordered = sorted(cases, key=lambda c: c.id)
    shards = [ordered[i : i + SHARD] for i in range(0, len(ordered), SHARD)]
    replies = _ask(model, shards, executor, sampling, sink)
    sources = [*ledger.find("charter")[-1:], *ledger.find("model", subject=subject)[-1:]]
    asked = ledger.append(
        kind="transcripts",
        labels=labels,
        payload={
            "sampling": to_builtins(sampling),
            "rows": [{"case": c.id, "transcript": r} for c, r in zip(ordered, chain(*replies), strict=True)],
        },
        parents=[r.id for r in sources],
    )
    rows = _judge(judges_of(charter, proxies), shards, replies, executor)
    sink.number("evaluate/unscored", sum(r["value"] is None for r in rows), "rows", len(ordered))
    return ledger.append(kind="scores", labels=labels, payload={"rows": rows}, parents=[asked.id])


def _split(cases: Sequence[Case]) -> str:
    splits = {c.split for c in cases}
    if len(splits) != 1:
        raise SettingsError(f"evaluate takes cases of one split, got {sorted(splits) or 'no cases'}; call it per split")
    return splits.pop()


def _ask(
    model: Model, shards: Sequence[Sequence[Case]], executor: Executor, sampling: Sampling, sink: Sink
) -> list[list[Json]]:
    """Replies as plain data, shard by shard."""

    def answer(shard: Json) -> Json:
        prompts = [from_builtins(p, Transcript) for p in shard]
        replies = model.generate(prompts=prompts, sampling=sampling)
        if len(replies) != len(prompts):
            raise ModelError(f"the model gave {len(replies)} replies to {len(prompts)} prompts")
        return to_builtins(replies)

    key = {"task": "evaluate/ask", "model": dict(model.identity), "sampling": to_builtins(sampling)}
    found: list[list[Json]] = []
    work = [to_builtins([c.prompt for c in shard]) for shard in shards]
    for result in executor.map(task=answer, shards=work, key=key | {"code": code_digest()}):
        found.append(result.value)
        sink.number("evaluate/cases", sum(map(len, found)), "cases", len(found))
    return found


def _judge(
    judges: Mapping[str, Sequence[Judge]],
    shards: Sequence[Sequence[Case]],
    replies: Sequence[list[Json]],
    executor: Executor,
) -> list[dict[str, Any]]:
    def judged(shard: Json) -> Json:
        pairs = zip(shard["cases"], shard["replies"], strict=True)
        return [r for c, t in pairs for r in rows(from_builtins(c, Case), from_builtins(t, Transcript), judges)]

    measures = {t: [[j.role, j.kind, j.settings, j.breach_at, j.norm] for j in own] for t, own in judges.items()}
    key = {"task": "evaluate/judge", "measures": measures, "code": code_digest()}
    work = [{"cases": to_builtins(list(s)), "replies": r} for s, r in zip(shards, replies, strict=True)]
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


def rows(case: Case, reply: Transcript, judges: Mapping[str, Sequence[Judge]]) -> Iterator[dict[str, Any]]:
    """Every judgement of one reply, as rows of a `scores` payload."""
    # What a case expects speaks of its own target: another norm's detector must not read it.
    bare = Transcript(reply.messages)
    for detector in judges.get("", ()):
        yield _row(case, reply, reply if detector.norm == case.target else bare, detector)
    for own in judges.get(case.target, ()) if case.target else ():
        yield _row(case, reply, reply, own)
    if case.kind == "lookalike":
        for own in judges.get("lookalike", ()):
            if own.role == "over_refusal" or "answer" in reply.expect:
                yield _row(case, reply, reply, own)


def _row(case: Case, reply: Transcript, seen: Transcript, by: Judge) -> dict[str, Any]:
    try:
        score = judge.score(by.dimension, seen)
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
