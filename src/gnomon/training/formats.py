"""Rows of public data sets, recognised by their columns and brought into one form: a prompt and its replies.

It opens no files (`data` does) and knows no tokens. Nothing is guessed: a row that fits no format, or two, is refused.
Source: hh-rlhf: Bai 2204.05862; UltraFeedback: Cui 2310.01377; the rest: the dataset formats of TRL's documentation.
Departs: of several replies in one conversation only the last is learnt, the earlier ones are prompt; UltraFeedback goes
by the mean of its aspect ratings where it has them, because its `overall_score` is known to hold 10 for some 1s.
Fails: closed; DataError says what was seen and what to write, the reader puts file:line before it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from gnomon.core.canonical import to_builtins
from gnomon.core.errors import DataError
from gnomon.core.types import Json, Message
from gnomon.training import conversations
from gnomon.training.conversations import OPENING, Prompt, reply

Kind = Literal["preference", "labelled", "demonstration", "prompt"]
Shape = Literal["text", "dialogue", "messages", "rated completions", "true or false"]
SCORES = (("score_chosen", "score_rejected"), ("chosen-rating", "rejected-rating"), ("chosen_score", "rejected_score"))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row in the form that every format ends in."""

    kind: Kind
    prompt: Prompt
    replies: tuple[str, ...] = ()
    """Chosen and rejected, or the one completion, or none behind a mere prompt."""
    expect: Mapping[str, Json] = field(default_factory=dict)
    """What counts as a good reply, for whatever judges sampled ones: column `expect`, or `answer` in it."""
    value: float = 0.0
    """By how much chosen is said to be better (0: not said); of a labelled reply, 1 desirable and 0 undesirable."""
    place: str = ""
    """file:line."""
    number: int = 0
    """Rows of the source before this one."""

    def plain(self) -> dict[str, Json]:
        """The row by the names that `examples` reads: a demonstration is what a pair's chosen reply is."""
        names = {"preference": ("chosen", "rejected"), "demonstration": ("chosen",), "labelled": ("completion",)}
        value: dict[str, dict[str, Json]] = {
            "preference": {"margin": self.value},
            "labelled": {"label": bool(self.value)},
        }
        replies = zip(names.get(self.kind, ()), self.replies, strict=True)
        return {"case": self.place, "prompt": to_builtins(self.prompt), **dict(replies), **value.get(self.kind, {})}


Read = tuple[Prompt, tuple[str, ...], float]
"""Prompt, replies and value of a row."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """Columns that make a format, the shapes they may have, and how such a row is read."""

    name: str
    kind: Kind
    columns: Mapping[str, tuple[Shape, ...]]
    read: Callable[[Mapping[str, Json]], Read]


@dataclass(frozen=True)
class Seen:
    """A format, and the shape that each of its columns has in a row: all rows of a file must agree."""

    format: Format
    shapes: tuple[str, ...]

    def __str__(self) -> str:
        shapes = zip(self.format.columns, self.shapes, strict=True)
        return f"{self.format.name} ({', '.join(f'{column}: {shape}' for column, shape in shapes)})"


def recognise(row: Json, kinds: Sequence[Kind] = ()) -> Seen:
    """The one format that a row has; with `kinds`, of the first kind that fits. Raises DataError."""
    if not isinstance(row, Mapping):
        raise DataError(f"is {_shape(row)}; write an object with named columns")
    present = {column: _shape(row[column]) for column in COLUMNS if row.get(column) is not None}
    fits = [f for f in FORMATS if not _problems(f, present)]
    for asked in [(kind,) for kind in kinds] or [get_args(Kind)]:
        kept = [f for f in fits if f.kind in asked]
        widest = [f for f in kept if not any(f.columns.keys() < g.columns.keys() for g in kept)]
        # Without a stated kind nothing that other formats would read may be left over.
        if len(widest) == 1 and (kinds or widest[0].columns.keys() == present.keys()):
            return Seen(widest[0], tuple(present[column] for column in widest[0].columns))
        if len(widest) > 1:
            names = ", ".join(f"{f.name} ({f.kind})" for f in widest)
            raise DataError(f"fits several formats: {names}; say which kind to read, or drop the columns of the others")
    raise DataError(_explained(row, present, fits, kinds))


def convert(row: Mapping[str, Json], seen: Seen) -> Row:
    """A row of a recognised format. Raises DataError."""
    if row.get("tools"):
        raise DataError("has 'tools', which no chat template is given here; write them into a system message")
    prompt, replies, value = seen.format.read(row)
    system = row.get("system")
    if isinstance(system, str) and system.strip() and not (prompt and prompt[0].role == "system"):
        prompt = (Message("system", system), *prompt)
    if not prompt or prompt[-1].role not in ("user", "tool") or not prompt[-1].content.strip():
        ends = f"{prompt[-1].role} {prompt[-1].content[:40]!r}" if prompt else "nothing"
        raise DataError(f"the prompt ends with {ends}; it must end with text of the user or of a tool")
    if any(not reply.strip() for reply in replies):
        raise DataError("a reply is empty; drop the row or write a reply")
    if len(set(replies)) < len(replies):
        raise DataError("chosen and rejected are the same; there is nothing to learn")
    expect = dict(row["expect"]) if isinstance(row.get("expect"), Mapping) else {}
    if seen.format.kind == "prompt" and row.get("answer") is not None:
        expect.setdefault("answer", row["answer"])
    return Row(kind=seen.format.kind, prompt=prompt, replies=replies, value=value, expect=expect)


# --- what a row is


def _shape(value: Json) -> str:
    """The shape of a value, or a description of what is no shape."""
    if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1)):
        return "true or false"
    if isinstance(value, str):
        return "dialogue" if value.startswith(OPENING) else "text"
    if isinstance(value, Sequence) and value and all(isinstance(item, Mapping) for item in value):
        for shape, keys in (("messages", ("role", "from")), ("rated completions", ("response",))):
            if all(any(key in item for key in keys) for item in value):
                return shape
    if isinstance(value, Sequence):
        return f"a list of {len(value)} {type(value[0]).__name__}" if value else "an empty list"
    return f"{type(value).__name__} {str(value)[:40]}"


def _problems(form: Format, present: Mapping[str, str]) -> list[str]:
    """Why a row with these columns and shapes is not of this format."""
    found = [f"'{column}' is missing" for column in form.columns if column not in present]
    wrong = {c: present[c] for c, shapes in form.columns.items() if c in present and present[c] not in shapes}
    found += [f"'{c}' is {is_now}, it must be {' or '.join(form.columns[c])}" for c, is_now in wrong.items()]
    shapes = {present.get("chosen"), present.get("rejected")}
    if not found and "chosen" in form.columns and len(shapes) > 1:
        found = [f"'chosen' is {present['chosen']}, but 'rejected' is {present['rejected']}"]
    return found


def _explained(
    row: Mapping[str, Json], present: Mapping[str, str], fits: Sequence[Format], kinds: Sequence[Kind]
) -> str:
    """Why no format was found: of the format that reads most of the row's columns, what is wrong."""
    asked = [f for f in FORMATS if f.kind in (kinds or get_args(Kind))]
    near = min(asked, key=lambda f: (-len(f.columns.keys() & present.keys()), len(_problems(f, present))))
    columns = ", ".join(f"'{name}'" for name in list(row)[:12]) or "no columns"
    said = f"has {columns}; "
    if near.columns.keys() & present.keys():
        said += f"for {near.name}, {' and '.join(_problems(near, present)) or 'that is too much'}; "
    if fits:
        said += f"to read only its {fits[0].kind} part, say so by the kind; "
    known = "; ".join(f"{f.name}: {', '.join(f.columns)}" for f in asked)
    return f"{said}known formats: {known}"


# --- one reader a format: prompt, replies, value


def _prompt(row: Mapping[str, Json]) -> Prompt:
    prompt = conversations.messages(row["prompt"], "prompt")
    # hh-rlhf as some keep it: cut before the reply, "… \n\nAssistant:".
    return prompt[:-1] if prompt[-1] == Message("assistant", "") else prompt


def _asked(row: Mapping[str, Json]) -> Read:
    return _prompt(row), (), 0.0


def _answered(row: Mapping[str, Json]) -> Read:
    prompt, said = _behind(_prompt(row), row["completion"], "completion")
    return prompt, (said,), float(row.get("label") or 0)


def _explicit(row: Mapping[str, Json]) -> Read:
    stated = _prompt(row)
    prompt, chosen = _behind(stated, row["chosen"], "chosen")
    other, rejected = _behind(stated, row["rejected"], "rejected")
    if prompt != other:
        raise DataError("'chosen' and 'rejected' begin with different messages; both must begin with the prompt")
    return prompt, (chosen, rejected), _margin(row)


def _behind(prompt: Prompt, value: Json, what: str) -> tuple[Prompt, str]:
    """Prompt and reply of a column that holds text, a message, or all of the conversation."""
    if isinstance(value, str):
        return prompt, value
    whole = conversations.messages(value, what)
    before = whole[:-1]
    # The whole conversation may state a system message that the column `prompt` leaves out.
    if before and before != prompt and not (before[0].role == "system" and before[1:] == prompt):
        raise DataError(f"'{what}' neither is one reply nor begins with the prompt; write the reply alone")
    return before or prompt, reply(whole[-1], what)


def _implicit(row: Mapping[str, Json]) -> Read:
    """Dialogues or lists of messages that differ in the last reply alone."""
    chosen, rejected = (conversations.messages(row[what], what) for what in ("chosen", "rejected"))
    same = next((at for at, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), 0)
    if chosen[:-1] != rejected[:-1]:
        raise DataError(
            f"chosen ({len(chosen)} messages) and rejected ({len(rejected)}) differ from message {same + 1} on, "
            "not in the last reply alone; drop the row or cut both behind the first reply that differs"
        )
    return chosen[:-1], (reply(chosen[-1], "chosen"), reply(rejected[-1], "rejected")), _margin(row)


def _margin(row: Mapping[str, Json]) -> float:
    if row.get("margin") is not None:
        return _number(row["margin"], "margin")
    for better, worse in SCORES:
        if row.get(better) is not None and row.get(worse) is not None:
            margin = _number(row[better], better) - _number(row[worse], worse)
            if margin < 0:
                raise DataError(f"'{better}' is {row[better]}, below '{worse}' {row[worse]}; are they swapped?")
            return margin
    return 0.0


def _number(value: Json, what: str) -> float:
    number = _rating(value)
    if number is None:
        raise DataError(f"'{what}' is {value!r}; write a number")
    return number


def _rating(value: Json) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _rated(row: Mapping[str, Json]) -> Read:
    """Best against worst completion, the first of equals."""
    rated = row["completions"]
    for score in (_aspects, lambda c: _rating(c.get("fine-grained_score")), lambda c: _rating(c.get("overall_score"))):
        known = [value for value in map(score, rated) if value is not None]
        if len(known) == len(rated):
            best, worst = known.index(max(known)), known.index(min(known))
            if best == worst:
                raise DataError(f"all {len(rated)} completions are rated {known[0]:g}; there is nothing to compare")
            texts = tuple(
                rated[at]["response"] if isinstance(rated[at]["response"], str) else "" for at in (best, worst)
            )
            return (Message("user", row["instruction"]),), texts, known[best] - known[worst]
    raise DataError("not every completion has a rating: annotations.*.Rating, fine-grained_score or overall_score")


def _aspects(completion: Mapping[str, Json]) -> float | None:
    """Mean rating of a completion's aspects, if it has all of them."""
    said = completion.get("annotations")
    aspects = list(said.values()) if isinstance(said, Mapping) else []
    known = [_rating(aspect.get("Rating")) if isinstance(aspect, Mapping) else None for aspect in aspects]
    ratings = [rating for rating in known if rating is not None]
    return math.fsum(ratings) / len(ratings) if ratings and len(ratings) == len(aspects) else None


def _conversation(row: Mapping[str, Json]) -> Read:
    what = "messages" if row.get("messages") is not None else "conversations"
    found = conversations.messages(row[what], what)
    return found[:-1], (reply(found[-1], what),), 0.0


def _instructed(row: Mapping[str, Json]) -> Read:
    given = row.get("input")
    asked = row["instruction"] + (f"\n\n{given}" if isinstance(given, str) and given.strip() else "")
    return (Message("user", asked),), (row["output"],), 0.0


_ANY: tuple[Shape, ...] = ("text", "dialogue", "messages")
_SAID: tuple[Shape, ...] = ("text", "messages")

FORMATS = (
    Format(
        name="hh-rlhf or implicit prompt",
        kind="preference",
        columns={"chosen": ("dialogue", "messages"), "rejected": ("dialogue", "messages")},
        read=_implicit,
    ),
    Format(
        name="preference",
        kind="preference",
        columns={"prompt": _ANY, "chosen": _SAID, "rejected": _SAID},
        read=_explicit,
    ),
    Format(
        name="UltraFeedback",
        kind="preference",
        columns={"instruction": ("text",), "completions": ("rated completions",)},
        read=_rated,
    ),
    Format(
        name="KTO",
        kind="labelled",
        columns={"prompt": _ANY, "completion": _SAID, "label": ("true or false",)},
        read=_answered,
    ),
    Format(
        name="prompt and completion",
        kind="demonstration",
        columns={"prompt": _ANY, "completion": _SAID},
        read=_answered,
    ),
    Format(name="messages", kind="demonstration", columns={"messages": ("messages",)}, read=_conversation),
    Format(name="conversations", kind="demonstration", columns={"conversations": ("messages",)}, read=_conversation),
    Format(
        name="instruction and output",
        kind="demonstration",
        columns={"instruction": ("text",), "output": ("text",)},
        read=_instructed,
    ),
    Format(name="prompts", kind="prompt", columns={"prompt": _ANY}, read=_asked),
)
"""Every format that is known; a row has the one whose columns include those of the others that fit."""

COLUMNS = tuple(dict.fromkeys(column for form in FORMATS for column in form.columns))
"""Columns by which formats are told apart."""

ALSO = ("system", "tools", "margin", "input", "expect", "answer", *(name for pair in SCORES for name in pair))
"""Columns that are read beside them."""
