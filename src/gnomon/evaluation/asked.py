"""What one run asked, item by item, as a mapping from item id to Answer that reads its answers from the store.

It asks nothing. Each sample of an item has a key made of the model's identity, the conversation, the choices, the
sampling and its number; items with the same content share their answers. Only counts are kept in memory.
Source: content-addressed results, as in `executor.results`.
Fails: closed; two items with one id and other contents raise DataError; a sample without an answer is an error of its
item, never left out.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from gnomon.core.canonical import canonical, from_builtins, to_builtins
from gnomon.core.errors import DataError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Json, Message, Transcript
from gnomon.evaluation.items import Answer, Item
from gnomon.executor.answers import KEY, Store, lines

_encode = msgspec.json.Encoder(order="deterministic").encode
_numbers = itertools.count()


def origin(identity: Mapping[str, str], sampling: Sampling) -> bytes:
    """Digest of who is asked and how replies are drawn."""
    return hashlib.sha256(canonical([dict(identity), to_builtins(sampling)])).digest()


def base(origin: bytes, item: Item) -> bytes:
    """Digest of all that an item's answers depend on, but the number of the sample."""
    asked = _encode((turns(item.prompt.messages), item.choices))
    return hashlib.sha256(origin + asked).digest()


def key(base: bytes, sample: int) -> bytes:
    """The name of one sample's answer."""
    return hashlib.sha256(base + sample.to_bytes(4, "big")).digest()[:KEY]


def samples(item: Item) -> int:
    """Answers that an item needs: one for choices, else one for each reply."""
    return 1 if item.choices else item.samples


class Asked(Mapping[str, Answer]):
    """Answers of one run, in the order of its items. It lives as long as its store is open."""

    def __init__(self, store: Store) -> None:
        self._store, self._name = store, f"asked_{next(_numbers)}"
        self._count = 0
        create = "CREATE TABLE {} (item TEXT PRIMARY KEY, base BLOB, samples, choices, content BLOB)"
        store.database.execute(create.format(self._name))
        store.database.execute(f"CREATE TABLE {self._name}_errors (key BLOB PRIMARY KEY, error TEXT) WITHOUT ROWID")

    def add(self, item: Item, base: bytes) -> bool:
        """Take an item; False if it is there already. Raises DataError for another one with its id."""
        content = _encode(_plain(item.prompt))
        row = (item.id, base, samples(item), len(item.choices), content)
        added = self._do("INSERT OR IGNORE INTO {} VALUES (?, ?, ?, ?, ?)", row).rowcount
        if added:
            self._count += 1
            return True
        known = self._do("SELECT * FROM {} WHERE item = ?", (item.id,)).fetchone()
        if known != row:
            raise DataError(f"two items with other contents have the id '{item.id}'; give each its own")
        return False

    def failed(self, key: bytes, why: str) -> None:
        """Take down why a sample has no answer."""
        self._do("INSERT OR REPLACE INTO {}_errors VALUES (?, ?)", (key, why))

    def error(self, key: bytes) -> str:
        """Why a sample has no answer."""
        why = self._do("SELECT error FROM {}_errors WHERE key = ?", (key,)).fetchone()
        return str(why[0]) if why else "not asked: the run stopped before"

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return (item for (item,) in lines(self._do("SELECT item FROM {} ORDER BY rowid")))

    def __getitem__(self, item: str) -> Answer:
        row = self._do("SELECT * FROM {} WHERE item = ?", (item,)).fetchone()
        if row is None:
            raise KeyError(item)
        return self._answer(row)

    def answers(self) -> Iterator[Answer]:
        """All answers in the order of the items, a few in memory at a time."""
        return (self._answer(row) for row in lines(self._do("SELECT * FROM {} ORDER BY rowid")))

    def lines(self) -> Iterator[bytes]:
        """All answers as lines of canonical order: what `digest` is of, and what the evidence keeps."""
        return (line(answer) for answer in self.answers())

    def digest(self) -> str:
        """SHA-256 (hex) of all lines: the same however often the run was broken off, and wherever it ran."""
        return digest(self.lines())

    def _answer(self, row: tuple[Any, ...]) -> Answer:
        item, origin, count, choices, content = row
        found: list[Any] = []
        errors: list[str] = []
        for sample in range(count):
            name = key(origin, sample)
            if (got := self._store.get(name)) is None:
                errors.append(self.error(name))
            else:
                found.append(got)
        error = f"{len(errors)} of {count} samples: {errors[0]}" if errors and count > 1 else "".join(errors[:1])
        if choices:
            scored: dict[str, Any] = found[0] if found else {"logprobs": (), "tokens": ()}
            return Answer(
                item=item,
                logprobs=tuple(scored["logprobs"]),
                tokens=tuple(scored["tokens"]),
                lettered=bool(scored.get("lettered", False)),
                error=error,
            )
        prompt = msgspec.json.decode(content, type=Transcript)
        said = (from_builtins(f["reply"], Message) for f in found)
        return Answer(
            item=item, replies=tuple(replace(prompt, messages=(*prompt.messages, m)) for m in said), error=error
        )

    def _do(self, sql: str, values: tuple[Any, ...] = ()) -> Any:
        return self._store.database.execute(sql.format(self._name), values)


def line(answer: Answer) -> bytes:
    """One answer as a line of JSON that depends on its content alone."""
    row = {
        "item": answer.item,
        "replies": [_plain(t) for t in answer.replies],
        "logprobs": answer.logprobs,
        "tokens": answer.tokens,
        **({"lettered": True} if answer.lettered else {}),
        "error": answer.error,
    }
    return _encode(row) + b"\n"


def items_digest(items: Iterable[Item]) -> str:
    """SHA-256 (hex) of all that items are."""
    return digest(
        _encode((i.id, i.cluster, _plain(i.prompt), i.choices, i.samples, to_builtins(i.expect), dict(i.groups)))
        for i in items
    )


def digest(lines: Iterable[bytes]) -> str:
    """SHA-256 (hex) of lines."""
    made = hashlib.sha256()
    for each in lines:
        made.update(each)
    return made.hexdigest()


def _plain(transcript: Transcript) -> Json:
    return {"messages": turns(transcript.messages), "expect": to_builtins(transcript.expect)}


def turns(messages: Iterable[Message]) -> list[Json]:
    """Messages as plain data."""
    # Field by field, as in `canonical`: msgspec alone leaves out defaults that it did not set. This is 20 times faster.
    return [
        {"role": m.role, "content": m.content, "tool_calls": to_builtins(m.tool_calls), "name": m.name}
        for m in messages
    ]
