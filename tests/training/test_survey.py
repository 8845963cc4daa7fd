import json
from pathlib import Path

import pytest

np = pytest.importorskip("numpy", reason="leakage needs gnomon[eval]")
pytest.importorskip("huggingface_hub", reason="data sets need gnomon[train]")

from gnomon.core.errors import DataError  # noqa: E402
from gnomon.training.survey import survey  # noqa: E402

DATA = Path(__file__).parents[3] / "shared" / "data"


def file(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def row(prompt, chosen="yes", rejected="no"):
    system = {"role": "system", "content": "You are a careful assistant who answers every question. " * 20}
    said = [{"role": "assistant", "content": text} for text in (chosen, rejected)]
    return {"prompt": [system, {"role": "user", "content": prompt}], "chosen": said[:1], "rejected": said[1:]}


def test_repeats_and_leaks_have_their_places(tmp_path):
    train = file(
        tmp_path / "train.jsonl",
        [
            row("Wie heißt du?"),
            row("你叫什么名字？"),
            row("WIE HEISST DU"),
            row("ما اسمك؟"),
            row("wie heißt du", "other"),
        ],
    )
    test = file(tmp_path / "test.jsonl", [{"prompt": "ما اسمك"}, {"prompt": "你叫什么"}, {"prompt": "你 叫什么名字"}])
    found = survey(train, test=test)
    assert (found.rows, found.test_rows, found.broken.count, found.test_broken.count) == (5, 3, 0, 0)
    assert [(m.one, m.other) for m in found.duplicates] == [(f"{train}:3", f"{train}:1")]
    assert [(m.one, m.other, m.exact) for m in found.leaks] == [(f"{train}:4", f"{test}:1", True)]
    assert found.leaking == {f"{train}:4"}


def test_a_shared_system_message_makes_nothing_alike(tmp_path):
    path = file(tmp_path / "a.jsonl", [row("alpha"), row("beta"), row("gamma")])
    found = survey(path, test=file(tmp_path / "b.jsonl", [row("delta")]))
    assert (found.duplicates, found.leaks) == ([], ())


def test_broken_rows_of_both_sets_are_counted(tmp_path):
    train = file(tmp_path / "a.jsonl", [row("x"), {"text": "y"}])
    test = file(tmp_path / "b.jsonl", [{"prompt": ""}, {"prompt": "x"}])
    found = survey(train, test=test)
    assert (found.broken.count, found.test_broken.count, len(found.leaks)) == (1, 1, 1)
    with pytest.raises(DataError, match="all 1 rows are broken"):
        survey(file(tmp_path / "c.jsonl", [{"text": "y"}]))


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_a_real_set_against_another():
    found = survey(
        DATA / "hh-rlhf-harmless" / "harmless_base_test_open.jsonl", test=DATA / "advbench" / "advbench.jsonl"
    )
    assert (found.rows, found.broken.count, len(found.duplicates), found.leaks) == (1172, 7, 3, ())
