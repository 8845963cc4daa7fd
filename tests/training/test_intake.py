import json
import random
from pathlib import Path

import pytest

pytest.importorskip("torch")

from gnomon.core.errors import DataError, SettingsError
from gnomon.training import intake
from gnomon.training.batches import (
    DemonstrationBatch,
    LabelledBatch,
    PreferenceBatch,
    RewardBatch,
    RolloutBatch,
)
from gnomon.training.data import Skipped
from gnomon.training.intake import Intake, prompts, take
from gnomon.training.store import Store
from gnomon.training.survey import survey

HH = Path(__file__).parents[3] / "shared" / "data" / "hh-rlhf-harmless" / "harmless_base_test_open.jsonl"


class Letters:
    """A model's tokenizer with one token a letter, 0 for the end and 1 for what is beyond Latin-1."""

    eos_token_id, unk_token_id, chat_template = 0, 1, "letters"
    context = 40

    @property
    def tokenizer(self):
        return self

    def get_vocab(self):
        return {chr(code): code for code in range(2, 256)}

    def encode(self, text, add_generation_prompt=True, add_special_tokens=True):
        if isinstance(text, str):
            return [ord(c) if ord(c) < 256 else 1 for c in text]
        return [2, *(code for m in text.messages for code in self.encode(m.content)), 3]


def pairs(n):
    draw = random.Random(n)
    words = ["aa", "bbb", "c", "dddd"]
    return [
        {"prompt": f"q{at}", "chosen": f"{draw.choice(words)}{at}", "rejected": "no", "margin": at} for at in range(n)
    ]


def file(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def test_a_file_becomes_what_the_loss_reads(tmp_path):
    path = file(tmp_path / "a.jsonl", pairs(3))
    taken = take(path, reads=PreferenceBatch, model=Letters())
    assert [len(e.completions) for e in taken.examples] == [2, 2, 2]
    assert [e.label for e in take(path, reads=RewardBatch, model=Letters()).examples] == [0, 1, 2]
    assert taken.examples[0].id == f"{path}:1#0"
    shown = take(path, reads=DemonstrationBatch, model=Letters())
    assert [e.completions for e in shown.examples] == [e.completions[:1] for e in taken.examples]
    labelled = take(path, reads=LabelledBatch, model=Letters())
    assert [e.label for e in labelled.examples] == [1, 0] * 3
    assert [t.request for t in prompts(path)] == ["q0", "q1", "q2"]
    with pytest.raises(DataError, match=r"RolloutBatch is made of sampled replies; give prompts"):
        take(path, reads=RolloutBatch, model=Letters())
    with pytest.raises(DataError, match=r"a\.jsonl:1: has 'prompt'.*for preference, 'chosen' is missing"):
        take(file(path, [{"prompt": "q"}]), reads=PreferenceBatch, model=Letters())


def test_the_report_counts_what_came_in(tmp_path):
    rows = [*pairs(2), {"prompt": "q", "chosen": "语a", "rejected": "no"}]
    said = take(file(tmp_path / "a.jsonl", rows), reads=PreferenceBatch, model=Letters()).report
    sizes = [2 + len(r["prompt"]) + len(r["chosen"]) + 1 + len(r["rejected"]) + 1 for r in rows]
    assert (said.rows, said.examples, said.tokens, said.unknown) == (3, 3, sum(sizes), 1)
    longest = max(2 + len(r["prompt"]) + 1 + len(r["chosen"]) for r in rows)
    assert said.longest == longest
    letters = set("".join(r[k] for r in rows for k in ("prompt", "chosen", "rejected")))
    assert said.vocabulary == len(letters) + 3


def test_what_is_too_long_is_refused_by_name_or_dropped_and_counted(tmp_path):
    rows = [*pairs(2), {"prompt": "q" * 30, "chosen": "x" * 30, "rejected": "no"}, *pairs(3)[2:]]
    path = file(tmp_path / "a.jsonl", rows)
    with pytest.raises(DataError, match=r"(?s)1 examples are longer than 40 tokens.*a\.jsonl:3: 63 tokens"):
        take(path, reads=PreferenceBatch, model=Letters())
    taken = take(path, reads=PreferenceBatch, model=Letters(), settings=Intake(too_long="drop"))
    assert len(taken.examples) == taken.report.examples == 3
    assert (taken.report.too_long, taken.report.too_long_at) == (1, [f"{path}:3: 63 tokens"])
    short = Intake(too_long="drop", longest=3)
    with pytest.raises(DataError, match=r"no row is left \(too_long: 4\)"):
        take(path, reads=PreferenceBatch, model=Letters(), settings=short)
    with pytest.raises(SettingsError, match="longest must be at least 1"):
        Intake(longest=0)


def test_broken_rows_are_refused_or_dropped_and_counted(tmp_path):
    path = file(tmp_path / "a.jsonl", [*pairs(2), {"prompt": "q", "chosen": "x", "rejected": "x"}])
    with pytest.raises(DataError, match=r"a\.jsonl:3: chosen and rejected are the same"):
        take(path, reads=PreferenceBatch, model=Letters())
    said = take(path, reads=PreferenceBatch, model=Letters(), settings=Intake(broken="drop")).report
    assert (said.rows, said.broken, len(said.broken_at)) == (2, 1, 1)
    # As prompts all three are whole; a row without one is skipped only where it is counted.
    assert len(list(prompts(path))) == 3
    path = file(tmp_path / "b.jsonl", [{"prompt": "1+1?", "answer": "2"}, {"prompt": ""}])
    with pytest.raises(DataError, match=r"b\.jsonl:2: the prompt ends with user ''"):
        list(prompts(path))
    skipped = Skipped()
    assert [dict(t.expect) for t in prompts(path, skipped=skipped)] == [{"answer": "2"}]
    assert skipped.count == 1


def test_repeated_demonstrations_and_unwanted_rows_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "PART", 2)
    rows = [{"prompt": "q", "completion": text} for text in ("a", "b", "a", "a", "c", "b", "d")]
    path = file(tmp_path / "a.jsonl", rows)
    taken = take(path, reads=DemonstrationBatch, model=Letters(), without={f"{path}:7"})
    assert [chr(e.completions[0][0]) for e in taken.examples] == ["a", "b", "c"]
    assert (taken.report.rows, taken.report.repeated, taken.report.unwanted) == (6, 3, 1)


def test_parts_leave_no_labelled_reply_alone(tmp_path, monkeypatch):
    rows = [{"prompt": f"q{at}", "completion": "a", "label": at % 2 == 0} for at in range(7)]
    path = file(tmp_path / "a.jsonl", rows)
    for part in (2, 3, 6, 7, 100):
        monkeypatch.setattr(intake, "PART", part)
        taken = take(path, reads=LabelledBatch, model=Letters())
        assert [e.label for e in taken.examples] == [1, 0, 1, 0, 1, 0, 1]


def test_tokens_are_kept_in_a_file_and_read_again(tmp_path, monkeypatch):
    path = file(tmp_path / "a.jsonl", pairs(10))
    given = {"reads": PreferenceBatch, "model": Letters()}
    inside = take(path, **given)
    first = take(path, **given, folder=tmp_path / "kept")
    assert isinstance(first.examples, Store)
    assert (list(first.examples), first.report) == (list(inside.examples), inside.report)
    monkeypatch.setattr(Letters, "encode", None)
    again = take(path, **given, folder=tmp_path / "kept")
    assert (list(again.examples), again.report) == (list(inside.examples), inside.report)
    monkeypatch.undo()
    # Other rows, another limit, another tokenizer: other files.
    take(path, **given, folder=tmp_path / "kept", settings=Intake(limit=3))
    take(file(path, pairs(9)), **given, folder=tmp_path / "kept")
    monkeypatch.setattr(Letters, "chat_template", "other")
    take(path, **given, folder=tmp_path / "kept")
    assert len(list((tmp_path / "kept").glob("*.examples"))) == 4


def test_training_reads_a_kept_file_as_it_reads_a_list(tmp_path, tiny_llama):
    from gnomon.core.plugin import build
    from gnomon.models.local import LocalModel
    from gnomon.training import offline
    from gnomon.training.schedule import Offline

    class Few(Letters):
        def encode(self, *given, **how):
            return [code % 50 for code in super().encode(*given, **how)]

    path = file(tmp_path / "a.jsonl", pairs(12))
    losses = []
    for folder in (None, tmp_path / "kept"):
        subject = LocalModel(model=tiny_llama(), tokenizer=Few(), identity={"name": "tiny"})
        taken = take(path, reads=PreferenceBatch, model=Few(), folder=folder)
        state = offline.train(
            subject=subject,
            adapter=None,
            examples=taken.examples,
            loss=build("loss", "dpo", {}),
            settings=Offline(batch=4, epochs=2, learning_rate=1e-3),
            folder=tmp_path / f"run-{folder is None}",
        )
        losses.append([row["loss"] for row in state.log])
    assert losses[0] == losses[1]
    assert len(losses[0]) == 6


@pytest.mark.skipif(not HH.is_file(), reason="needs ../shared/data")
def test_real_dialogues_through_the_real_tokenizer(embedded, tmp_path):
    settings = Intake(broken="drop", longest=512, too_long="drop")
    found = survey(HH)
    taken = take(
        HH, reads=PreferenceBatch, model=embedded, settings=settings, without={m.one for m in found.duplicates}
    )
    said = taken.report
    assert said.broken == 7
    assert said.unwanted == len(found.duplicates)
    assert said.rows == 1179 - 7 - said.unwanted
    assert said.examples == said.rows - said.too_long == len(taken.examples) > 1000
    assert said.unknown == 0
    assert said.longest <= 512
