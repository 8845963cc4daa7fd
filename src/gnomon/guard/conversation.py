"""A recorded conversation judged as a whole: every message pending in its turn, the worst verdict counts.

It changes nothing and asks no model. The verdict is the most severe of all turns, the earliest of equals; a suspension
latches, so whatever follows it is suspended too. One exception: a user's message that was only escalated or cleaned
and has been answered was let through at the time, and its answer is judged instead.
Fails: closed, as `decide` does.
"""

from collections.abc import Iterator
from dataclasses import replace

from gnomon.charter.policy import Policy
from gnomon.core.types import Transcript, Verdict
from gnomon.guard.compiled import Compiled
from gnomon.guard.decide import decide
from gnomon.guard.verdicts import merged_scores, worst


def turns(policy: Policy | Compiled, conversation: Transcript) -> Iterator[Verdict]:
    """One verdict a message, each given the messages and verdicts before it."""
    past: list[Verdict] = []
    for end in range(1, len(conversation.messages) + 1):
        pending = Transcript(conversation.messages[:end], conversation.expect)
        past.append(decide(policy=policy, pending=pending, past=past))
        yield past[-1]


def judge(policy: Policy | Compiled, conversation: Transcript) -> tuple[int, Verdict]:
    """The deciding message's index and its verdict, with every screen's worst score over all messages."""
    verdicts = list(turns(policy, conversation))
    if not verdicts:
        return 0, decide(policy=policy, pending=conversation)
    last = len(verdicts) - 1
    counting = [i for i in range(last + 1) if i == last or not _let_through(conversation, i, verdicts[i])]
    chosen = worst([verdicts[i] for i in counting])
    index = next(i for i in counting if verdicts[i] is chosen)
    return index, replace(chosen, scores=merged_scores(verdicts))


def _let_through(conversation: Transcript, index: int, verdict: Verdict) -> bool:
    return conversation.messages[index].role == "user" and verdict.action in ("modify", "escalate")
