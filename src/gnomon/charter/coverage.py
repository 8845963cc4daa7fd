"""Whether a charter's cases suffice: groups that are empty, too few probes for a line, texts nobody uses.

It scores nothing; it counts. Rows are (level, where, message).
Source: with 0 breaches of n the one-sided Clopper-Pearson bound is 1 - (1 - confidence)^(1/n)
(Clopper & Pearson, Biometrika 1934); the least n whose bound is inside the line follows.
Units: n counts held-out probes.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Literal, get_args

from gnomon.charter import placeholders
from gnomon.charter.compile import groups, targets
from gnomon.charter.schema import Charter, Norm
from gnomon.core.types import Case, Split

Row = tuple[Literal["error", "warning"], str, str]


def probes_needed(rate: float, confidence: float) -> int:
    """Least n for which 0 breaches of n satisfy the line.

    >>> probes_needed(0.05, 0.95)
    59
    """
    return math.ceil(math.log(1 - confidence) / math.log(1 - rate) - 1e-12)


def norms(charter: Charter, cases: tuple[Case, ...]) -> Iterator[Row]:
    """Norms without probes, lookalikes or safe replies; lines that the held-out probes can never show; risks."""
    count = Counter((case.target, case.kind, case.split) for case in cases)
    for norm in charter.norms:
        for key, kind in (("probes", "probe"), ("lookalikes", "lookalike")):
            yield from _splits(f"norms.{norm.id}", key, {s: count[norm.id, kind, s] for s in get_args(Split)})  # type: ignore[index]
        held = count[norm.id, "probe", "held-out"]
        needed = probes_needed(norm.line.rate, norm.line.confidence)
        if 0 < held < needed:
            yield (
                "warning",
                f"norms.{norm.id}.line",
                f"{held} held-out probes can never show a rate of {norm.line.rate:g} at {norm.line.confidence:g}: even "
                f"0 breaches leave it inconclusive; write at least {needed} held-out probes",
            )
        if not norm.instead:
            yield "warning", f"norms.{norm.id}", "no reply under 'instead': nothing to train towards; write some"
        if not norm.examples.broken or not norm.examples.kept:
            yield (
                "warning",
                f"norms.{norm.id}",
                "the detector is untested; write 'examples' with broken and kept replies",
            )
    named = {risk for norm in charter.norms for risk in norm.risks}
    for risk in charter.risks:
        if risk.id not in named:
            yield "warning", f"risks.{risk.id}", "no norm answers to this risk; name it under a norm's 'risks'"


def _splits(where: str, key: str, count: dict[Split, int]) -> Iterator[Row]:
    if not any(count.values()):
        yield "error", where, f"no {key}; write families under '{key}' for the splits train, select and held-out"
        return
    for split, n in count.items():
        if not n:
            level: Literal["error", "warning"] = "error" if split == "held-out" else "warning"
            yield level, f"{where}.{key}", f"no {key} in split '{split}'; write a family with 'split: {split}'"


def preferences(charter: Charter, cases: tuple[Case, ...]) -> Iterator[Row]:
    """Preferences without a gold, an owner, a proxy of their own or cases."""
    count = Counter((case.target, case.split) for case in cases)
    for row in charter.preferences:
        where = f"preferences.{row.id}"
        if row.gold is None:
            yield "error", where, "no gold: nothing says what is meant; write 'gold: {kind: …}'"
        if not row.owner:
            yield "warning", where, "nobody answers for this preference; write 'owner: …'"
        if row.proxy is not None and row.proxy == row.gold:
            yield (
                "warning",
                f"{where}.proxy",
                "proxy and gold are the same, so no limit can show; write a cheaper proxy",
            )
        yield from _splits(where, "cases", {s: count[row.id, s] for s in get_args(Split)})


def unused(charter: Charter) -> Iterator[Row]:
    """Facts and secrets that neither the system prompt nor a case holds; facts that no case tests."""
    templates = [text for _, text in placeholders.texts(_families(charter))]
    named = {(name, key) for text in templates for _, name, key in placeholders.names(text)}
    whole = json.dumps(_settings(charter), ensure_ascii=False)
    for group, row in (("fact", charter.context.facts), ("secret", charter.context.secrets)):
        for key, text in row.items():
            in_case = (group, key) in named or any(text in template for template in templates)
            if text not in charter.context.system and not in_case and (group == "fact" or text not in whole):
                what = f"nothing uses this {group}; write {{{group}.{key}}} where it is needed, or take it out"
                yield "warning", f"context.{group}s.{key}", what


def _families(charter: Charter) -> list[object]:
    return [
        family.model_dump(mode="json", include={"turns", "slots", "expect"})
        for target in targets(charter)
        for _, rows in groups(target)
        for family in rows
    ]


def _settings(charter: Charter) -> list[object]:
    return [t.detector.settings if isinstance(t, Norm) else t.gold and t.gold.settings for t in targets(charter)]
