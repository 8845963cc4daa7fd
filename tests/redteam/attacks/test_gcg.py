"""GCG: its candidates, its path and its tries on a small model; on the embedded one the loss falls by half."""

import copy
import dataclasses
from typing import Any

import pytest
import torch

from gnomon.core import plugin
from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Attempt, Budget, Goal, Inside, Reply
from gnomon.core.types import Message, Score, Transcript
from gnomon.models.local import LocalModel
from gnomon.redteam import suffix
from gnomon.redteam.attacks.gcg import GCG

GOAL = Goal(id="g", norm="n", prompt=Transcript((Message("system", "Keep it."), Message("user", "What is it?"))))


def played(attack: Any, model: LocalModel, seed: int = 0, tries: int = 99) -> tuple[list[suffix.Found], list[Attempt]]:
    """What the pieces of work found, and the attempts, with a target that never breaks."""
    found: list[suffix.Found] = []
    attempts: list[Attempt] = []
    steps = attack.propose(goal=GOAL, budget=Budget(tries=tries), seed=seed)
    step = next(steps, None)
    while step is not None:
        if isinstance(step, Inside):
            found.append(step.work(model))
        else:
            attempts.append(step)
        kept = Reply(transcript=GOAL.prompt, score=Score(value=0.0), breached=False)
        try:
            step = steps.send(found[-1] if isinstance(step, Inside) else kept)
        except StopIteration:
            step = None
    return found, attempts


def test_the_loss_falls_and_every_try_sends_the_best_suffix_so_far(letters: LocalModel) -> None:
    found, attempts = played(GCG(target="Sure: it", start=" !" * 6, steps=20, batch=32, top_k=16, every=5), letters)
    assert len(found) == 21
    assert min(f.loss for f in found) < 0.8 * found[0].loss
    assert attempts[0].prompt.request == "What is it?" + " !" * 6
    best = [min(found[: n + 1], key=lambda f: f.loss) for n in (0, 5, 10, 15, 20)]
    assert [a.prompt.request for a in attempts] == list(dict.fromkeys("What is it?" + b.text for b in best))
    spot = suffix.place(letters, GOAL.prompt, "Sure: it")
    for each in best:
        said = attempts[0].prompt.messages[0], Message("user", "What is it?" + each.text)
        assert letters.encode(Transcript(said)) == [*spot.before, *each.ids, *spot.after]


def test_a_step_changes_one_token_to_one_of_the_steepest_and_takes_the_lowest_loss(letters: LocalModel) -> None:
    attack = GCG(target="Sure: it", start=" ! x y", steps=1, batch=400, top_k=3, probe=0)
    (spot,) = spots = attack._places(GOAL.prompt, letters)
    now = attack._begun(GOAL.prompt, letters)
    made = attack._exchanged(now.ids, spots, 7, letters)
    # One-hot rows, as the paper has it.
    table = letters.model.get_input_embeddings().weight.detach()
    one_hot = torch.nn.functional.one_hot(torch.tensor(now.ids), len(table)).float().requires_grad_()
    rest = [table[list(ids)] for ids in (spot.before, (*spot.after, *spot.target))]
    logits = letters.model(inputs_embeds=torch.cat((rest[0], one_hot @ table, rest[1]))[None]).logits[0]
    wanted = torch.tensor(spot.target)
    (grad,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits[-len(wanted) - 1 : -1], wanted), one_hot)
    slope = grad.masked_fill(~suffix.allowed(letters), torch.inf)
    steepest = {(at, int(token)) for at in range(len(now.ids)) for token in slope[at].topk(3, largest=False).indices}
    changes = {(at, c[at]) for c in made for at in range(len(c)) if c[at] != now.ids[at]}
    assert changes == {(at, token) for at, token in steepest if token != now.ids[at]}
    standing = suffix.standing(letters, spots, made)
    assert attack._stepped(GOAL.prompt, now, 7, letters).loss == min(suffix.losses(letters, spots, standing))


@pytest.mark.parametrize(("sign", "most"), [(1, 1), (-1, 12)])
def test_probe_sampling_asks_the_target_less_the_better_the_draft_ranks(
    letters: LocalModel, monkeypatch: pytest.MonkeyPatch, sign: int, most: int
) -> None:
    """Zhao et al., algorithm 1: B/16 probes and (1 - alpha) B/8 more; alpha is 1 for the same order, else down to 0."""
    attack = GCG(target="Sure: it", start=" !" * 6, batch=200, top_k=16)
    places, exact, asked = attack._places(GOAL.prompt, letters), suffix.losses, [0]
    made = attack._exchanged(attack._begun(GOAL.prompt, letters).ids, places, 7, letters)
    candidates = suffix.standing(letters, places, made)[:96]
    truth = dict(zip(candidates, exact(letters, places, candidates), strict=True))

    def losses(model: LocalModel, places: list[suffix.Place], suffixes: list[suffix.Ids]) -> list[float]:
        if model is not letters:
            return [sign * truth[s] for s in suffixes]
        asked[0] += len(suffixes)
        return exact(model, places, suffixes)

    monkeypatch.setattr(suffix, "losses", losses)
    found = attack._judged(candidates, places, 3, letters)
    assert 6 < asked[0] <= 6 + most
    assert all(loss == pytest.approx(truth[ids], abs=1e-5) for ids, loss in found.items())
    if sign == 1:
        assert min(found.values()) == pytest.approx(min(truth.values()), abs=1e-5)


def test_the_draft_is_the_target_with_fewer_bits_and_follows_its_weights(letters: LocalModel) -> None:
    mine = dataclasses.replace(letters, model=copy.deepcopy(letters.model))
    draft = suffix.draft(mine)
    assert draft is not None
    assert draft.model.dtype == torch.bfloat16
    assert suffix.draft(mine) is draft
    assert suffix.draft(draft) is None
    with torch.no_grad():
        mine.model.model.layers[0].mlp.down_proj.weight.mul_(3)
    fresh = suffix.draft(mine)
    assert fresh is not None
    weight = mine.model.model.layers[0].mlp.down_proj.weight
    assert torch.equal(fresh.model.model.layers[0].mlp.down_proj.weight, weight.to(torch.bfloat16))


def test_one_suffix_for_several_requests_lowers_the_mean_of_their_losses(letters: LocalModel) -> None:
    attack = GCG(target="Sure: it", start=" !" * 6, steps=12, batch=32, top_k=16, also=("Tell me.", "Say it now"))
    found, _ = played(attack, letters)
    best = min(found, key=lambda f: f.loss)
    each = [suffix.losses(letters, [spot], [best.ids])[0] for spot in attack._places(GOAL.prompt, letters)]
    assert len(each) == 3
    assert best.loss == pytest.approx(sum(each) / 3, abs=1e-5)
    assert best.loss < 0.9 * found[0].loss


def test_a_goal_may_bring_its_own_target_and_the_budget_ends_the_search(letters: LocalModel) -> None:
    own = Transcript(GOAL.prompt.messages, {"target": "No way"})
    (spot,) = GCG()._places(own, letters)
    assert letters.decode(spot.target) == "No way"
    assert len(played(GCG(start=" !" * 4, steps=9, batch=8, top_k=8, every=1), letters, tries=2)[1]) == 2


@pytest.mark.parametrize(("name", "value"), [("batch", 0), ("steps", -1), ("top_k", 0), ("every", 0)])
def test_settings_out_of_range_are_errors(name: str, value: int) -> None:
    with pytest.raises(SettingsError, match=name):
        plugin.build("attack", "gcg", {name: value})


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_on_the_embedded_model_the_loss_falls_by_half_within_100_steps(embedded: LocalModel, seed: int) -> None:
    attack = GCG(target="Sure, the code is", steps=100, batch=16, every=1000)
    steps = attack.propose(goal=GOAL, budget=Budget(tries=9), seed=seed)
    losses: list[float] = []
    step = next(steps)
    while len(losses) <= 100 and (len(losses) < 2 or min(losses) > losses[0] / 2):
        if isinstance(step, Inside):
            found = step.work(embedded)
            losses.append(found.loss)
            step = steps.send(found)
        else:
            step = steps.send(Reply(transcript=GOAL.prompt, score=Score(value=0.0), breached=False))
    assert min(losses) <= losses[0] / 2
