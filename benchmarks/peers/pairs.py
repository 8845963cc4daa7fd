"""A preference set for benchmarks, drawn from a seed: English sentences with skewed lengths.

Prompts are lognormal with a median near 45 tokens, replies near 90, in the tokens of a 49k vocabulary; one prompt in
seven has two turns. Rows are in TRL's conversational form. It needs nothing but the standard library, so that every
peer reads the very same rows.
"""

import math
import random

TOPICS = (
    "a vegetable garden", "a noisy gearbox", "the tides", "an old violin", "a mortgage", "a broken dishwasher",
    "the Silk Road", "a bird feeder", "a spreadsheet", "a marathon", "volcanoes", "a chess club", "wool",
    "a wedding cake", "a heat pump", "the printing press", "a lost suitcase", "honey", "a fountain pen",
    "night trains",
)  # fmt: skip
QUESTIONS = (
    "What should a beginner know about {t}?",
    "Please explain {t} to somebody who has ten minutes.",
    "Which mistakes do people make with {t}, and how are they avoided?",
    "Compare two ways to deal with {t} and recommend one.",
    "How much time and money does {t} take in a year?",
    "Write a short plan for a weekend course on {t}.",
)
DETAILS = (
    "We are {n} people and nobody has done it before.",
    "I have read about it, and the advice contradicts itself.",
    "It has to be finished in {n} days.",
    "Please leave out the technical terms.",
    "My neighbour says that it is not worth the trouble.",
    "The room is small, damp, and on the {n}th floor.",
    "An answer that I can print and hang on the wall would be best.",
)
ON_TOPIC = (
    "Begin with {t} as it is now, and write down {n} things that you notice.",
    "Most of the work is done in the first {n} minutes, and the rest is patience.",
    "Set a limit before you start, so that you know when to stop.",
    "A common mistake is to change two things at once, because then nobody can say which one helped.",
    "Ask someone who has lived with {t} for years what they would do differently.",
    "Measure before and after, with the same ruler and at the same hour.",
    "If the result surprises you, repeat it on another day before you believe it.",
    "The cheap way costs less today and more in {n} months.",
    "Keep a note of every step, since memory is kind to our own decisions.",
    "In the end {t} rewards whoever looks closely and hurries little.",
)
OFF_TOPIC = (
    "That is hard to say.",
    "Some people like {t}, and other people do not like {t}.",
    "By the way, the capital of Mongolia is Ulaanbaatar.",
    "As I said, it depends, and it depends on many things.",
    "You could look it up somewhere.",
    "It is good to do it well and bad to do it badly.",
    "The number {n} comes to mind.",
    "Things are what they are, and {t} is one of them.",
)


def pairs(count: int = 256, seed: int = 7) -> list[dict[str, list[dict[str, str]]]]:
    """Rows {prompt, chosen, rejected}, each a list of messages."""
    draw = random.Random(seed)
    return [_pair(draw) for _ in range(count)]


def _pair(draw: random.Random) -> dict[str, list[dict[str, str]]]:
    topic = draw.choice(TOPICS)
    question = draw.choice(QUESTIONS).format(t=topic)
    question += " " + _text(draw, DETAILS, topic, _length(draw, 30, 5, 110))
    before = []
    if draw.random() < 1 / 7:
        before = [("user", draw.choice(QUESTIONS).format(t=topic)), ("assistant", _text(draw, ON_TOPIC, topic, 30))]
    chosen = _text(draw, ON_TOPIC, topic, _length(draw, 95, 30, 240))
    rejected = _text(draw, (*OFF_TOPIC, *ON_TOPIC[:3]), topic, _length(draw, 82, 30, 240))
    return {
        "prompt": [{"role": role, "content": text} for role, text in (*before, ("user", question.strip()))],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def _length(draw: random.Random, median: float, low: int, high: int) -> int:
    """Tokens to aim at."""
    return round(min(high, max(low, math.exp(draw.gauss(math.log(median), 0.6)))))


def _text(draw: random.Random, sentences: tuple[str, ...], topic: str, tokens: int) -> str:
    """Sentences of about so many tokens, the last one cut; English has 1.2 tokens a word here."""
    words: list[str] = []
    while len(words) * 1.2 < tokens:
        words += draw.choice(sentences).format(t=topic, n=draw.randint(3, 90)).split()
    return " ".join(words[: max(2, round(tokens / 1.2))]).rstrip(",.") + "."
