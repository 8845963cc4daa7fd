import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")

from huggingface_hub import constants  # noqa: E402

from gnomon.core.errors import DataError  # noqa: E402
from gnomon.training.shards import shards  # noqa: E402


def folder(tmp_path, *names):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    return tmp_path


def found(source, split="train"):
    return [shard.name.removeprefix(f"{source}/") for shard in shards(source, split)]


@pytest.mark.parametrize(
    ("names", "split", "expected"),
    [
        (["README.md", "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"], "train", 2),
        (["data/train-00000-of-00001-0123456789abcdef.parquet", "data/test-00000-of-00001.parquet"], "train", 1),
        (["train/0000.parquet", "train/0001.parquet", "test/0000.parquet"], "test", 1),
        (["train.jsonl.gz", "dev.jsonl.gz"], "validation", 1),
        (["part1.jsonl", "part2.jsonl"], "train", 2),
        (["data/train_prefs-00000-of-00001.parquet", "data/train_sft-00000-of-00001.parquet"], "train_sft", 1),
        (["train_prefs.jsonl", "test_prefs.jsonl"], "train", 1),
        ([".cache/train.jsonl", "train.jsonl"], "train", 1),
    ],
)
def test_files_of_a_split(tmp_path, names, split, expected):
    got = found(folder(tmp_path, *names), split)
    assert got == sorted(got)
    assert len(got) == expected
    assert not any(name.startswith((".", "README")) for name in got)


@pytest.mark.parametrize(
    ("names", "split", "told"),
    [
        (["a.csv"], "train", r"has no \.jsonl, \.jsonl\.gz, \.parquet; for a hub id, try .*@refs/convert/parquet"),
        (["train.jsonl", "test.jsonl"], "validation", "has no split 'validation'; there is: test, train"),
        (
            ["helpful/train.jsonl", "harmless/train.jsonl"],
            "train",
            "has several parts: harmless/train, helpful/train; name",
        ),
        (["train_sft.jsonl", "train_prefs.jsonl"], "train", "several parts: train_prefs, train_sft"),
        (["train.jsonl", "train.parquet"], "train", "lies there as jsonl and as parquet"),
        (["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"], "train", "shard 00001 of 00003"),
    ],
)
def test_what_is_unclear_is_refused(tmp_path, names, split, told):
    with pytest.raises(DataError, match=told):
        found(folder(tmp_path, *names), split)


def test_one_file_is_every_split_and_must_have_a_known_ending(tmp_path):
    folder(tmp_path, "x.jsonl", "x.csv")
    assert [shard.path() for shard in shards(tmp_path / "x.jsonl", "test")] == [tmp_path / "x.jsonl"]
    with pytest.raises(DataError, match=r"x\.csv ends with none of"):
        shards(tmp_path / "x.csv")
    with pytest.raises(DataError, match="no such file or folder, and it is no hub id"):
        shards(tmp_path / "y")


def test_an_unreachable_hub_is_said_at_once(monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(DataError, match=r"(?s)cannot be reached .*hf download --repo-type dataset no-such-org/none"):
        shards("no-such-org/none")
    assert time.monotonic() - began < 5


COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {f"harmless/train-{i:05d}-of-00002.jsonl": b'{"prompt": "%d"}\n' % i for i in (0, 1)} | {
    "helpful/train.jsonl": b'{"prompt": "x"}\n'
}


@pytest.fixture
def local_hub(monkeypatch, tmp_path):
    """The part of the hub's HTTP interface that its client asks for, served from this process."""
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            self.answer()

        def answer(self):
            path = self.path.partition("?")[0]
            name = path.partition(f"/resolve/{COMMIT}/")[2]
            if name:
                body = FILES.get(name)
                asked.append((self.command, name))
            else:
                siblings = [{"rfilename": n} for n in FILES]
                about = {"id": "org/set", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
                body = json.dumps(about).encode() if path.startswith("/api/datasets/org/set") else None
            if body is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{abs(hash(body)):x}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    yield asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_shards_of_a_hub_id_are_fetched_when_their_turn_comes(local_hub, monkeypatch):
    first, second = shards("org/set/harmless")
    assert (first.name, local_hub) == ("org/set/harmless/train-00000-of-00002.jsonl", [])
    assert first.path().read_bytes() == b'{"prompt": "0"}\n'
    assert {name for _, name in local_hub} == {"harmless/train-00000-of-00002.jsonl"}
    with pytest.raises(DataError, match="several parts: harmless/train, helpful/train"):
        shards("org/set")
    with pytest.raises(DataError, match="no data set 'org/other' on the hub"):
        shards("org/other")
    # Without the hub, one shard of two on the disk is not the data set.
    online = constants.ENDPOINT
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="shard 00001 of 00002"):
        shards(f"org/set/harmless@{COMMIT}")
    monkeypatch.setattr(constants, "ENDPOINT", online)
    second.path()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert [s.path().read_bytes() for s in shards(f"org/set/harmless@{COMMIT}")] == [
        b'{"prompt": "0"}\n',
        b'{"prompt": "1"}\n',
    ]
