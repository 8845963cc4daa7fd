import json
import random
import tracemalloc
from pathlib import Path

import pytest

np = pytest.importorskip("numpy", reason="leakage needs gnomon[eval]")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.training.data import Skipped, read  # noqa: E402
from gnomon.training.leakage import THRESHOLD, Match, duplicates, leakage, normal, sign, similarity  # noqa: E402

DATA = Path(__file__).parents[3] / "shared" / "data"

BLOCKS = {
    "Latin": "abcdefghijklmnopqrstuvwxyz",
    "Greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "Cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюя",
    "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "Hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
    "Hindi": "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह" + "ािीुूेैोौ्ं",
    "Thai": "กขคงจฉชซญดตถทนบปผพฟมยรลวสหอ" + "ะาิีึืุู",
    "Chinese": "的一是不了在人有我他这中大来上个国和地到以说时要就出会可也你对生能而子那得于着下自之年过",
    "Japanese": "あいうえおかきくけこさしすせそアイウエオカキクケコサシスセソ",
    "Korean": "가나다라마바사아자차카타파하거너더러머버서어저처커터퍼허",
    "emoji": "😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰😗😙😚🙂🤗🤩🤔",
}
every_script = pytest.mark.parametrize("script", BLOCKS)


@every_script
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_no_script_is_lost(script, data):
    """A normaliser that keeps a-z and 0-9 alone makes all Chinese, Arabic and Hindi texts the same empty one."""
    letters = st.text(BLOCKS[script], min_size=1, max_size=60)
    one, other = data.draw(letters), data.draw(letters)
    assert normal(one)
    assert (normal(one) == normal(other)) == (one == other)


@every_script
def test_different_texts_of_a_script_are_never_paired(script):
    draw = random.Random(script)
    texts = ["".join(draw.choices(BLOCKS[script] + " ", k=draw.randint(4, 80))).strip() for _ in range(400)]
    texts = list(dict.fromkeys(texts))
    assert duplicates(sign((str(at), text) for at, text in enumerate(texts))) == []
    test = sign((str(at), text) for at, text in enumerate(texts[:200]))
    found = list(leakage(((str(at), text) for at, text in enumerate(texts)), test))
    assert [(m.one, m.other, m.exact) for m in found] == [(str(at), str(at), True) for at in range(200)]


def spoiled(text, draw):
    """The same words in other cases and widths, with other spaces and punctuation."""
    wide = {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)}
    made = []
    for character in text:
        if character == " ":
            made.append(draw.draw(st.sampled_from(["  ", "\u00a0", "\u3000", "\n", ", ", " — ", "…", "،", "。"])))
        else:
            made.append(draw.draw(st.sampled_from([character, character.upper(), wide.get(character, character)])))
    return "".join(made)


@settings(deadline=None)
@given(st.text("abcdeàéñœßαβγσдеж09 漢字ابहि", max_size=40), st.data())
def test_case_width_and_spaces_do_not_count(text, draw):
    assert normal(spoiled(text, draw)) == normal(text)


@given(st.text(max_size=60))
def test_the_normal_form_is_its_own(text):
    assert normal(normal(text)) == normal(text)


def test_what_is_not_seen_does_not_count_and_what_says_something_does():
    assert normal("I ❤\ufe0f you\u200d") == normal("I ❤ you")
    assert normal("e\u0301té") == normal("été")
    for one, other in [("5 + 3", "5 - 3"), ("yes 🙂", "yes 🙁"), ("x < y", "x > y"), ("کتاب", "كتاب ها"), ("कि", "की")]:
        assert normal(one) != normal(other)


def test_texts_of_punctuation_alone_are_compared_as_they_stand():
    signed = sign([("a", "?!"), ("b", "..."), ("c", "?!"), ("d", ""), ("e", "")])
    assert duplicates(signed) == [Match("c", "a", 1.0, True), Match("e", "d", 1.0, True)]


@settings(deadline=None, max_examples=60)
@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60), st.data())
def test_it_is_symmetric_and_nothing_unlike_is_paired(one, other, data):
    if data.draw(st.booleans()):  # near copies, which two drawn texts never are
        at = data.draw(st.integers(0, len(one)))
        other = one[:at] + data.draw(st.text(max_size=3)) + one[at:]
    assert similarity(one, other) == similarity(other, one)
    there, back = (list(leakage([("x", a)], sign([("y", b)]))) for a, b in ((one, other), (other, one)))
    assert [(m.similarity, m.exact) for m in there] == [(m.similarity, m.exact) for m in back]
    if there:
        assert similarity(one, other) > THRESHOLD - 0.2
    if similarity(one, other) == 1.0:
        assert there


def test_each_repeat_is_told_once_with_its_best_earlier_text():
    long = "the quick brown fox jumps over the lazy dog and then it sleeps for the rest of the long day"
    rows = [("1", long), ("2", "something else altogether"), ("3", long.upper() + "!"), ("4", long + "s"), ("5", long)]
    found = duplicates(sign(rows))
    assert [(m.one, m.other, m.exact) for m in found] == [("3", "1", True), ("4", "1", False), ("5", "1", True)]
    assert found[1].similarity == pytest.approx(similarity(long, long + "s"), abs=0.1)
    assert duplicates(sign(rows), threshold=0.999)[1].one == "5"
    assert duplicates(sign([])) == []
    assert list(leakage([("1", "a")], sign([]))) == []


def edited(text, alphabet, edits, draw):
    made = list(text)
    for _ in range(edits):
        at = draw.randrange(len(made))
        made[at : at + draw.choice([0, 1])] = draw.choices(alphabet, k=draw.choice([0, 1]))
    return "".join(made)


def test_recall_and_precision_on_edited_copies():
    """Copies with 1 to 16 edited characters, of ten scripts, beside as many strangers, judged by exact similarity."""
    draw = random.Random(0)
    pairs = []
    for script in BLOCKS:
        for _ in range(60):
            text = "".join(draw.choices(BLOCKS[script] + "  ", k=draw.randint(60, 400)))
            pairs.append((text, edited(text, BLOCKS[script], draw.choice([1, 2, 4, 8, 16]), draw)))
    test = sign((str(at), one) for at, (one, _) in enumerate(pairs))
    found = {m.one: m for m in leakage(((str(at), other) for at, (_, other) in enumerate(pairs)), test)}
    exact = [similarity(*pair) for pair in pairs]
    clear = [str(at) for at, s in enumerate(exact) if s >= THRESHOLD + 0.05]
    near = [str(at) for at, s in enumerate(exact) if s >= THRESHOLD]
    assert len(clear) > 100
    assert sum(at in found for at in clear) / len(clear) > 0.98
    assert sum(at in found for at in near) / len(near) > 0.93
    # What is found is what was edited, and truly alike: nothing below the threshold by more than four errors.
    assert all(m.one == m.other for m in found.values())
    assert min(exact[int(at)] for at in found) > THRESHOLD - 4 * 0.035
    assert sum(exact[int(at)] >= THRESHOLD for at in found) / len(found) > 0.93
    error = [m.similarity - exact[int(m.one)] for m in found.values() if not m.exact]
    assert abs(np.mean(error)) < 0.01
    assert np.std(error) < 0.04


def test_the_training_set_is_never_held(monkeypatch):
    monkeypatch.setattr("gnomon.training.leakage.CHUNK", 128)

    def texts(n):
        draw = random.Random(1)
        for at in range(n):
            yield str(at), "".join(draw.choices(BLOCKS["Latin"], k=60))

    test = sign(texts(50))
    peaks = []
    for n in (100, 300, 900):
        tracemalloc.start()
        assert sum(1 for _ in leakage(texts(n), test)) == 50
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1], peaks


# --- real sets


def column(path, name):
    with (DATA / path).open() as lines:
        for number, line in enumerate(lines, start=1):
            yield f"{path}:{number}", json.loads(line)[name]


needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")


@needs_data
def test_all_goals_of_jailbreakbench_lie_in_neuralchemy():
    goals = sign(column("jbb-behaviors/jbb_open.jsonl", "prompt"))
    parts = ("train", "validation")
    found = [list(leakage(column(f"neuralchemy-injection/{part}.jsonl", "text"), goals)) for part in parts]
    assert [len(part) for part in found] == [123, 30]
    assert all(m.exact for part in found for m in part)
    assert {m.other for part in found for m in part} == set(goals.places)
    assert list(leakage(column("s-labs-injection/validation.jsonl", "text"), goals)) == []


@needs_data
def test_what_repeats_in_real_sets():
    validation = sign(column("neuralchemy-injection/validation.jsonl", "text"))
    leaked = list(leakage(column("neuralchemy-injection/train.jsonl", "text"), validation))
    assert (len(leaked), sum(m.exact for m in leaked)) == (85, 42)
    rows = read(DATA / "hh-rlhf-harmless" / "harmless_base_test_open.jsonl", skipped=Skipped())
    prompts = {row.place: "\n".join(m.content for m in row.prompt) for row in rows}
    found = duplicates(sign(prompts.items()))
    assert (len(found), sum(m.exact for m in found)) == (7, 0)
    assert all(similarity(prompts[m.one], prompts[m.other]) > 0.75 for m in found)
