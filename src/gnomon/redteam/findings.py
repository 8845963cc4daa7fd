"""Findings from the rows of attacks: what broke, each thing once, with severity, taxonomy ids and a way to repeat it.

Two breaks are one finding when they broke the same norm with nearly the same prompt. It asks no model: `minimise` does.
Source: Jaccard overlap of character n-grams, as in near-duplicate detection (Broder 1997).
Departs: severity is the norm's as the charter has it (`charter.severity`); no score of likelihood is added.
Units: overlap is a share of n-grams.
Fails: open; rows that broke nothing give nothing, and a conversation that a charter cannot hold has no regression case.
"""

import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import yaml

from gnomon.charter.placeholders import escape
from gnomon.charter.severity import LEVELS, Severity
from gnomon.core.canonical import digest
from gnomon.core.errors import DataError
from gnomon.core.types import Json, Split, Transcript
from gnomon.redteam.effort import Row
from gnomon.redteam.taxonomy import ids
from gnomon.redteam.transfer import prompt, reply

ALIKE = 0.7
"""Overlap of n-grams from which two prompts count as one."""
N = 4


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One way in which a norm broke."""

    id: str
    """Of norm and prompt, so that the same finding has the same id in the next run."""
    norm: str
    severity: Severity
    attack: str
    goal: str
    family: str
    tries: int
    """Tries that the attack needed."""
    times: int
    """Rows that this finding stands for."""
    attacks: tuple[str, ...]
    """All attacks among them."""
    prompt: Transcript
    reply: str
    taxonomy: tuple[str, ...]
    command: str = ""
    """What to run to see it again."""
    records: tuple[str, ...] = ()
    """Ids of the records that it was read from."""


def found(
    rows: Iterable[Row],
    *,
    severity: Mapping[str, Severity],
    records: Sequence[str] = (),
    alike: float = ALIKE,
) -> list[Finding]:
    """Findings, the worst first; of prompts that are nearly the same the one that took the fewest tries stands.

    `severity`: norm to its severity; a norm that is not there counts as "high".
    """
    kept: list[tuple[Finding, frozenset[str]]] = []
    broken = [row for row in rows if row["broke"] is not None]
    for row in sorted(broken, key=lambda r: (r["broke"], len(prompt(r).request))):
        one = _finding(row, severity.get(row["norm"], "high"), tuple(records))
        grams = ngrams(_asked(one.prompt))
        for i, (other, seen) in enumerate(kept):
            if other.norm == one.norm and overlap(seen, grams) >= alike:
                attacks = tuple(dict.fromkeys((*other.attacks, one.attack)))
                kept[i] = replace(other, times=other.times + 1, attacks=attacks), seen
                break
        else:
            kept.append((one, grams))
    return sorted((f for f, _ in kept), key=lambda f: (LEVELS.index(f.severity), f.norm, f.tries, f.id))


def ngrams(text: str, n: int = N) -> frozenset[str]:
    """Runs of n characters of a text, without regard to case, accents, signs and spaces.

    >>> sorted(ngrams("Äb-CD e"))
    ['abcd', 'bcde']
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    letters = re.sub(r"[\W_]+", "", "".join(c for c in plain if not unicodedata.combining(c)))
    return frozenset(letters[i : i + n] for i in range(max(1, len(letters) - n + 1)))


def overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared n-grams as a share of all."""
    return len(a & b) / len(a | b) if a | b else 1.0


def _finding(row: Row, severity: Severity, records: tuple[str, ...]) -> Finding:
    sent = prompt(row)
    return Finding(
        id=digest([row["norm"], _asked(sent)])[:12],
        norm=row["norm"],
        severity=severity,
        attack=row["attack"],
        goal=row["goal"],
        family=row["family"],
        tries=row["broke"],
        times=1,
        attacks=(row["attack"],),
        prompt=sent,
        reply=reply(row),
        taxonomy=ids(row["attack"]).tags,
        records=records,
    )


def _asked(sent: Transcript) -> str:
    """All that was said to the model but its system prompt and its own replies."""
    return "\n".join(m.content for m in sent.messages if m.role not in ("system", "assistant"))


def command(
    finding: Finding,
    *,
    charter: str,
    model: str,
    tries: int,
    seed: int,
    more: Sequence[str] = (),
    verb: Literal["attack", "memory"] = "attack",
) -> str:
    """The command line that makes the same attack on the same norm again. A memory's attacks have one try each."""
    named = ["--attack", finding.attack, "--tries", str(tries)]
    if verb == "memory":  # what broke without an attack is measured beside every one
        named = [] if finding.attack == "none" else named[:2]
    words = ["gnomon", verb, charter, *named, "--seed", str(seed)]
    return shlex.join([*words, *(["--model", model] if model else []), *more])


def regression(finding: Finding, *, split: Split = "held-out") -> str:
    """YAML to paste under the norm's `probes`: the breaking conversation as a family of its own.

    Held out by default, so that it is measured and never trained on. Raises DataError for turns of tools or memory.
    """
    turns: list[Json] = []
    for message in finding.prompt.messages:
        if message.role == "system":
            continue
        if message.role not in ("user", "assistant") or message.tool_calls:
            raise DataError(f"finding {finding.id}: a charter's probes hold no turn of {message.role}; test it by hand")
        text = escape(message.content)
        turns.append(text if message.role == "user" else {"assistant": text})
    family = {"family": f"finding-{finding.id}", "split": split, "turns": turns}
    return yaml.safe_dump([family], allow_unicode=True, sort_keys=False, width=110)
