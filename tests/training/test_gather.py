import pytest

torch = pytest.importorskip("torch")

from gnomon.core.canonical import from_builtins, to_builtins  # noqa: E402
from gnomon.core.errors import DataError, TrainingError  # noqa: E402
from gnomon.training import norms, rollouts  # noqa: E402
from gnomon.training.gather import Progress, all_equal, gather  # noqa: E402
from gnomon.training.judged import Judged  # noqa: E402
from gnomon.training.norms import Lagrangian, Latch  # noqa: E402
from gnomon.training.online_schedule import Online  # noqa: E402
from tests.training import tiny  # noqa: E402

START = Progress(kl=0.0, multiplier=norms.begin(Lagrangian()))


@pytest.fixture
def run(tiny_llama):
    subject = tiny.subject(tiny_llama())

    def make(judge, progress=START, **settings):
        settings = Online(**{"prompts": 2, "group": 3, "max_new_tokens": 5} | settings)
        prompts = rollouts.encode(subject, tiny.PROMPTS, most=5)
        return gather(
            progress, subject=subject, adapter=None, prompts=prompts, judge=judge, settings=settings, sampler=None
        )

    return make


def of_prompt(rewards):
    """A judge that pays by prompt; a list pays its members one after another."""
    turn = {}

    def judge(transcripts):
        made = []
        for t in transcripts:
            value = rewards.get(t.request, 0.0)
            if isinstance(value, list):
                turn[t.request] = turn.get(t.request, -1) + 1
                value = value[turn[t.request] % len(value)]
            made.append(Judged(reward=value, reason="" if value is not None else "no reason to score"))
        return made

    return judge


VARIED = {text.request: [0.0, 1.0] for text in tiny.PROMPTS}


def test_prompts_come_in_turn_and_progress_says_where_it_stands(run):
    first, progress = run(of_prompt(VARIED))
    second, last = run(of_prompt(VARIED), progress)
    asked = [{r.prompt.transcript.request for r, _ in found.pairs} for found in (first, second)]
    assert len(asked[0] | asked[1]) == 4
    assert (progress.batch, progress.cursor, last.batch, last.cursor) == (1, 2, 2, 4)
    assert first.numbers["sampled"] == 6
    assert from_builtins(to_builtins(last), Progress) == last
    again, _ = run(of_prompt(VARIED), progress)
    assert [r for r, _ in again.pairs] == [r for r, _ in second.pairs], "drawn from the batch's own streams"


def test_unscored_rollouts_are_left_out_and_counted(run):
    judge = of_prompt({text.request: [0.0, None, 1.0] for text in tiny.PROMPTS})
    found, _ = run(judge)
    assert len(found.pairs) == 4
    assert found.numbers["unscored"] == 2
    assert found.numbers["reward"] == 0.5
    with pytest.raises(TrainingError, match=r"none of 6 rollouts could be scored \(no reason to score\)"):
        run(of_prompt({text.request: None for text in tiny.PROMPTS}))


def test_equal_groups_are_kept_by_default_and_counted(run):
    found, _ = run(of_prompt({}))
    assert found.numbers["equal_groups"] == 1.0
    assert len(found.pairs) == 6


def test_dynamic_sampling_draws_other_prompts_until_a_group_differs(run):
    judge = of_prompt({"w12 w13": [0.0, 1.0], "w14": [0.0, 1.0]})
    found, progress = run(judge, dynamic_sampling=4)
    assert {r.prompt.transcript.request for r, _ in found.pairs} == {"w12 w13", "w14"}
    assert len({r.group for r, _ in found.pairs}) == 2
    assert progress.cursor > 2
    assert 0 < found.numbers["equal_groups"] < 1
    assert found.numbers["sampled"] > len(found.pairs)


def test_all_equal_for_ever_is_an_error_that_says_what_to_change(run):
    with pytest.raises(TrainingError, match=r"all earned the same \(0 lately\), 18 rollouts long.*finer reward"):
        run(of_prompt({}), dynamic_sampling=2)


def breaks(*requests):
    def judge(transcripts):
        return [Judged(reward=float(i), broken={"n": t.request in requests}) for i, t in enumerate(transcripts)]

    return judge


def test_a_latch_suspends_the_prompt_until_it_is_released(run):
    _, progress = run(breaks("w14"), norms="latch", prompts=4)
    held = tiny.PROMPTS[2].id
    assert progress.latch.suspended == {held: "n"}
    for _ in range(3):
        found, progress = run(breaks(), progress, norms="latch", prompts=4)
        assert "w14" not in {r.prompt.transcript.request for r, _ in found.pairs}
        assert found.numbers["suspended"] == 1
    free = Progress(kl=0.0, multiplier=progress.multiplier, latch=progress.latch.release([held]))
    found, _ = run(breaks(), free, norms="latch", prompts=4)
    assert "w14" in {r.prompt.transcript.request for r, _ in found.pairs}


def test_a_suspended_prompt_is_not_tried_again_in_the_same_batch_either(run):
    every = [t.request for t in tiny.PROMPTS]
    with pytest.raises(TrainingError, match=r"all 4 prompts are suspended.*\(n\).*released|all 4 prompts.*`release`"):
        run(breaks(*every), norms="latch", prompts=2, dynamic_sampling=50)


def test_without_the_latch_nothing_is_suspended(run):
    _, progress = run(breaks("w14"), prompts=4)
    assert progress.latch == Latch()


def test_what_breaking_earned_makes_no_group_differ_unless_it_is_priced():
    members = [(None, Judged(reward=r, broken={"n": b})) for r, b in ((0.0, False), (9.0, True), (0.0, False))]
    assert all_equal(members, Online())
    assert not all_equal(members, Online(norms="lagrangian"))


def test_a_judge_that_loses_a_rollout(run):
    with pytest.raises(DataError, match="1 judgements of 6 rollouts"):
        run(lambda transcripts: [Judged(reward=1.0)])
