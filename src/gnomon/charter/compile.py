"""A charter compiled: cases for the engines, a policy for the guard. Deterministic, in the charter's order.

It draws nothing at random and scores nothing.
Fails: closed; the charter was checked by `load`, so a placeholder that does not resolve raises CharterError.
"""

import itertools
import math
from collections.abc import Collection, Iterator

from gnomon.charter import placeholders
from gnomon.charter.policy import Policy, Rule
from gnomon.charter.schema import Charter, Family, Norm, Preference
from gnomon.core.errors import CharterError
from gnomon.core.types import Case, CaseKind, Message, Split, Transcript

SAFE_REPLY = "I can't help with that, but I am glad to help with something else."


def groups(target: Norm | Preference) -> tuple[tuple[CaseKind, tuple[Family, ...]], ...]:
    """Kinds of cases of a norm or preference, with their families."""
    if isinstance(target, Norm):
        return ("probe", target.probes), ("lookalike", target.lookalikes)
    return (("preference", target.cases),)


def targets(charter: Charter) -> tuple[Norm | Preference, ...]:
    """Norms, then preferences, in the charter's order."""
    return (*charter.norms, *charter.preferences)


def cases(
    charter: Charter, *, split: Split | None = None, kinds: Collection[CaseKind] | None = None
) -> tuple[Case, ...]:
    """Every case, or those of one split or of some kinds. `Case.id` is target/kind/family/index."""
    return tuple(
        case
        for target in targets(charter)
        for kind, families in groups(target)
        if kinds is None or kind in kinds
        for family in families
        if split is None or family.split == split
        for case in family_cases(charter, target.id, kind, family)
    )


def family_cases(charter: Charter, target: str, kind: CaseKind, family: Family) -> Iterator[Case]:
    """The cases of one family, in the order of its slots' product, the last slot fastest."""
    system = (Message("system", charter.context.system),) if charter.context.system else ()
    facts, secrets = charter.context.facts, charter.context.secrets
    plain = placeholders.values(facts, secrets)
    try:
        slots = {name: [placeholders.fill_tree(v, plain) for v in row] for name, row in family.slots.items()}
        rows = list(itertools.product(*slots.values()))
        for index in spread(len(rows), family.limit):
            known = placeholders.values(facts, secrets, dict(zip(slots, rows[index], strict=True)))
            turns = tuple(
                Message("assistant" if turn.user is None else "user", placeholders.fill_text(text, known))
                for turn in family.turns
                for text in [turn.assistant if turn.user is None else turn.user]
                if text is not None
            )
            yield Case(
                id=f"{target}/{kind}/{family.family}/{index}",
                target=target,
                kind=kind,
                family=family.family,
                split=family.split,
                prompt=Transcript((*system, *turns), placeholders.fill_tree(family.expect, known)),
                twin=family.twin,
            )
    except (LookupError, TypeError) as error:
        raise CharterError(f"{target}, family {family.family}: {error}") from error


def spread(total: int, limit: int | None) -> list[int]:
    """`limit` indices below `total`, evenly spread over every slot of the product; a smaller limit keeps a subset.

    Steps near the golden ratio, coprime to the total, so that no slot's period can lock in.

    >>> spread(12, 4)
    [0, 2, 7, 9]
    """
    if limit is None or limit >= total:
        return list(range(total))
    aim = round(total * (math.sqrt(5) - 1) / 2)
    step = min((s for s in range(1, total) if math.gcd(s, total) == 1), key=lambda s: (abs(s - aim), s), default=1)
    return sorted(i * step % total for i in range(limit))


def policy(charter: Charter) -> Policy:
    """The norms as the guard's rules. Preferences have no say there."""
    return Policy(
        name=charter.name,
        rules=tuple(
            Rule(
                norm=norm.id,
                statement=norm.statement,
                kind=norm.detector.kind,
                settings=norm.detector.settings,
                breach_at=norm.breach_at,
                on_breach=norm.on_breach,
                safe_reply=norm.instead[0] if norm.instead else SAFE_REPLY,
                triggers=norm.triggers,
            )
            for norm in charter.norms
        ),
        tools={tool.name: tool.consequential for tool in charter.context.tools},
    )
