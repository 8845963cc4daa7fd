import gzip
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core.errors import DataError, StorageError
from gnomon.training.data import BATCH, Skipped, read, shuffled

HH = Path(__file__).parents[3] / "shared" / "data" / "hh-rlhf-harmless" / "harmless_base_test_open.jsonl"


def pair(index, **more):
    return {"prompt": f"question {index}", "chosen": f"yes {index}", "rejected": f"no {index}"} | more


def lines(path, rows):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wb") as handle:
        for row in rows:
            handle.write(row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return path


def parquet(path, rows, **more):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs gnomon[train]")
    from pyarrow import parquet as files

    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_table(arrow.Table.from_pylist(list(rows)), path, **more)
    return path


def test_jsonl_gzip_and_parquet_hold_the_same_rows(tmp_path):
    rows = [pair(i) for i in range(3 * BATCH)]
    made = [
        lines(tmp_path / "a.jsonl", rows),
        lines(tmp_path / "a.jsonl.gz", rows),
        parquet(tmp_path / "a.parquet", rows, row_group_size=50),
    ]
    for path in made:
        got = list(read(path))
        assert [row.place for row in got[:2]] == [f"{path}:1", f"{path}:2"]
        assert [(r.prompt[0].content, *r.replies) for r in got] == [tuple(row.values()) for row in rows]


def test_conversations_survive_parquet(tmp_path):
    call = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
    odd = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "x", "name": "n"}, call[1]]
    (first, second) = read(parquet(tmp_path / "a.parquet", [{"messages": call}, {"messages": odd, "tools": None}]))
    assert (first.prompt[0].content, first.replies) == ("2+2?", ("4",))
    assert [m.role for m in second.prompt] == ["system", "user"]


def test_a_folder_is_read_shard_by_shard(tmp_path):
    for shard in range(3):
        rows = [pair(10 * shard + i) for i in range(2)]
        parquet(tmp_path / "data" / f"train-{shard:05d}-of-00003.parquet", rows)
    parquet(tmp_path / "data" / "test-00000-of-00001.parquet", [pair(99)])
    got = list(read(tmp_path))
    assert [r.replies[0] for r in got] == [f"yes {i}" for i in (0, 1, 10, 11, 20, 21)]
    assert [r.number for r in got] == list(range(6))
    assert got[2].place == f"{tmp_path}/data/train-00001-of-00003.parquet:1"
    assert [r.replies[0] for r in read(tmp_path, split="test")] == ["yes 99"]
    # A limit is reached before later shards are opened.
    (tmp_path / "data" / "train-00002-of-00003.parquet").write_bytes(b"damaged")
    assert len(list(read(tmp_path, limit=4))) == 4
    with pytest.raises(DataError, match=r"train-00002-of-00003\.parquet: is no whole Parquet file"):
        list(read(tmp_path))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), st.integers(1, 7))
def test_reading_goes_on_where_it_stopped(tmp_path_factory, stop, group):
    folder = tmp_path_factory.mktemp("resume")
    lines(folder / "a-1.jsonl", [b"\n", *(pair(i) for i in range(11)), b"{broken\n"])
    lines(folder / "a-2.jsonl", [pair(i) for i in range(11, 25)])
    whole = list(read(folder, skipped=Skipped()))
    rest = list(read(folder, start=stop, skipped=Skipped())) if stop < 26 else []
    assert rest == [row for row in whole if row.number >= stop]
    files = parquet(folder / "b.parquet", [pair(i) for i in range(20)], row_group_size=group)
    assert list(read(files, start=min(stop, 20))) == list(read(files))[stop:]


def test_a_separator_inside_a_text_is_no_line_end(tmp_path):
    (row,) = read(lines(tmp_path / "a.jsonl", [b"\xef\xbb\xbf" + json.dumps(pair("a b"), ensure_ascii=False).encode()]))
    assert row.prompt[0].content == "question a b"


BROKEN = {
    b"{oops\n": r"a\.jsonl:3: not JSON",
    b'{"prompt": "\xff"}\n': r"a\.jsonl:3: not JSON",
    b"[1]\n": r"a\.jsonl:3: is a list of 1 int; write an object",
    b'{"prompt": "q", "chosen": "c"}\n': r"a\.jsonl:3: has 'prompt', 'chosen'; for preference, 'rejected' is missing",
    b'{"prompt": "q", "chosen": "c", "rejected": "c"}\n': r"a\.jsonl:3: chosen and rejected are the same",
}


@pytest.mark.parametrize("raw", BROKEN)
def test_a_broken_row_has_its_place_and_is_never_skipped_in_silence(tmp_path, raw):
    path = lines(tmp_path / "a.jsonl", [pair(0), b"\n", raw, pair(1)])
    with pytest.raises(DataError, match=BROKEN[raw]):
        list(read(path))
    skipped = Skipped()
    assert [row.replies[0] for row in read(path, skipped=skipped)] == ["yes 0", "yes 1"]
    assert skipped.count == len(skipped.first) == 1
    with pytest.raises(DataError, match=r"all 1 rows are broken; the first: .*:1: "):
        list(read(lines(tmp_path / "b.jsonl", [raw]), skipped=Skipped()))


def test_two_formats_in_one_file_are_an_error_with_both_places(tmp_path):
    label = {"prompt": "q", "completion": "c", "label": True}
    path = lines(tmp_path / "a.jsonl", [pair(0), pair(1), label])
    for skipped in (None, Skipped()):
        with pytest.raises(DataError, match=r"a\.jsonl:3: is KTO \(.*label: true or false\), but .*a\.jsonl:1 is pref"):
            list(read(path, skipped=skipped))
    talk = {
        k: [{"role": r, "content": v}] for r, (k, v) in zip(("user", *2 * ("assistant",)), pair(2).items(), strict=True)
    }
    with pytest.raises(DataError, match=r"prompt: messages.*, but .*:1 is preference \(prompt: text"):
        list(read(lines(tmp_path / "b.jsonl", [pair(0), talk])))


def test_files_that_cannot_be_read_are_said(tmp_path):
    with pytest.raises(DataError, match="has no rows"):
        list(read(lines(tmp_path / "a.jsonl", [])))
    whole = lines(tmp_path / "a.jsonl.gz", [pair(i) for i in range(2000)]).read_bytes()
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.jsonl\.gz:\d+: the gzip file is damaged or cut off"):
        list(read(tmp_path / "cut.jsonl.gz"))
    (tmp_path / "no.jsonl.gz").write_bytes(b"{}\n")
    with pytest.raises(DataError, match=r"no\.jsonl\.gz:1: the gzip file is damaged"):
        list(read(tmp_path / "no.jsonl.gz"))
    with pytest.raises(DataError, match="has columns text, of which none is known"):
        list(read(parquet(tmp_path / "a.parquet", [{"text": "x"}])))
    with pytest.raises((DataError, StorageError)):
        list(read(tmp_path / "missing.jsonl"))


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(1, 12), st.integers(0, 3), st.integers(0, 30))
def test_shuffling_loses_nothing_and_goes_on_exactly(n, buffer, seed, start):
    order = list(shuffled(range(n), buffer=buffer, seed=seed))
    assert sorted(order) == list(range(n))
    assert list(shuffled(range(n), buffer=buffer, seed=seed, start=start)) == order[start:]
    assert all(value < at + buffer for at, value in enumerate(order)), "a row cannot come before it was read"


def test_shuffling_mixes_and_follows_its_seed():
    order = list(shuffled(range(1000), buffer=100, seed=0))
    assert order == list(shuffled(range(1000), buffer=100, seed=0)) != list(shuffled(range(1000), buffer=100, seed=1))
    assert sum(a == b for a, b in enumerate(order)) < 50


def big(path, mebibytes):
    row = json.dumps(pair(0, chosen="yes " * 200)).encode() + b"\n"
    with path.open("wb") as handle:
        for _ in range(mebibytes * 1024):
            handle.write(row)
    return path


def test_memory_does_not_grow_with_the_file(tmp_path):
    """What Python holds while 2 and while 8 MiB are read and shuffled is the same, and below 1 MiB."""
    peaks = []
    for mebibytes in (2, 8):
        path = big(tmp_path / f"{mebibytes}.jsonl", mebibytes)
        sum(1 for _ in read(path, limit=10))
        tracemalloc.start()
        rows = sum(1 for _ in shuffled(read(path), buffer=100, seed=0))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rows == mebibytes * 1024
    assert peaks[1] < peaks[0] + 64 * 1024, peaks
    assert max(peaks) < 1024**2, peaks


PROGRAM = """
import sys
from gnomon.training.data import read
from gnomon.training.progress import peak_memory
next(iter(read(sys.argv[1])))
before = peak_memory()
rows = sum(1 for _ in read(sys.argv[1]))
print(rows, (peak_memory() - before) // 1024)
"""


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_the_process_does_not_grow_with_the_file(tmp_path, kind):
    """Resident memory, so that Arrow's own counts too: 64 MiB of text are read within 40 MiB more than one row."""
    path = big(tmp_path / "a.jsonl", 64)
    if kind == "parquet":
        made = tmp_path / "a.parquet"
        arrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet as files

        schema = arrow.schema([(name, arrow.string()) for name in ("prompt", "chosen", "rejected")])
        rows = [pair(i, chosen=f"{i} yes " * 100) for i in range(64 * 1024)]
        # One row group, as large as the file: the hardest case.
        files.write_table(arrow.Table.from_pylist(rows, schema), made, compression="none", row_group_size=10**6)
        assert made.stat().st_size > 48 * 1024**2
        path = made
    done = subprocess.run([sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows, grown = map(int, done.stdout.split())
    assert rows == 64 * 1024
    assert grown < 40 * 1024, f"grew by {grown} KiB"


@pytest.mark.skipif(not HH.is_file(), reason="needs ../shared/data")
def test_real_dialogues_are_read_and_the_broken_ones_named():
    """In 3 rows a reply is empty, in 4 it quotes a turn, so that where it ends cannot be told: 7 of 1,179."""
    skipped = Skipped()
    rows = list(read(HH, skipped=skipped))
    assert (len(rows), skipped.count) == (1172, 7)
    said = [message.removeprefix(f"{HH}:") for message in skipped.first]
    assert [m.split(":")[0] for m in said] == ["39", "334", "462", "560", "865", "1001", "1002"]
    assert sum("a reply is empty" in m for m in said) == 3
    with pytest.raises(DataError, match=r"harmless_base_test_open\.jsonl:39: a reply is empty"):
        list(read(HH))
