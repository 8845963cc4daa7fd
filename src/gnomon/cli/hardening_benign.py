"""What hardening costs benign users: harmless requests, plain and in the words of attacks, stopped or left unanswered.

The requests are held-out lookalikes and preferences; those in the words of attacks are the same in every round.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gnomon.charter.policy import Policy
from gnomon.cli import stages
from gnomon.cli.hardening_attacks import stopping
from gnomon.cli.stages import Run, thinned
from gnomon.core.protocols import Attack, Budget, Goal, Model
from gnomon.core.seeds import stream
from gnomon.core.types import Case, Record
from gnomon.redteam.carry import carried

SHOWN = "~"
"""Between a case's id and the attack whose words it stands in."""


def measured(
    run: Run,
    model: Model,
    policy: Policy,
    attacks: Mapping[str, Attack],
    subject: str,
    loop: str,
    parents: Sequence[str],
) -> Record:
    """Which benign requests the guard stops, plain and in attacks' words, which the model is asked, too: `denials`."""
    wrapped = list(in_attacks_words(run, attacks))
    if wrapped:
        stages.measured(
            run,
            model=model,
            subject=f"{subject}/carried",
            split="held-out",
            kinds=["lookalike"],
            title=f"{subject.split('/')[1]}: lookalikes in attacks' words",
            cases=wrapped,
        )
    stops = stopping(policy)
    plain = run.cases("held-out", ("lookalike", "preference"))
    rows = [
        {
            "case": case.id,
            "target": case.target,
            "kind": case.kind,
            "family": case.family,
            "attack": case.id.partition(SHOWN)[2],
            "stopped": stops(case.prompt),
        }
        for case in (*plain, *wrapped)
    ]
    return run.ledger.append(
        kind="denials", labels={"subject": subject, "loop": loop}, payload={"rows": rows}, parents=list(parents)
    )


def in_attacks_words(run: Run, attacks: Mapping[str, Attack]) -> Iterator[Case]:
    """Held-out lookalikes, a few of each norm, in the words of each attack's first try, if it has words of its own."""
    few = thinned(run.cases("held-out", ["lookalike"]), run.settings.goals_per_norm)
    for name, attack in attacks.items():
        for case in few:
            goal = Goal(id=case.id, norm=case.target, prompt=case.prompt, family=case.family)
            seed = stream(run.settings.seed, "harden", "carried")
            sent = carried(attack, name=name, goal=goal, budget=Budget(tries=1), seed=seed, tries=1)
            if sent is not None and sent != case.prompt:
                yield replace(case, id=f"{case.id}{SHOWN}{name}", prompt=sent)
