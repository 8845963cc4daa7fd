"""The scoring room as the lint is given it by the command line."""

import functools
import json

from gnomon.charter.lint import Finding, lint
from gnomon.charter.schema import Charter, DimensionRef
from gnomon.core.protocols import Dimension, Direction
from gnomon.core.types import Score, Transcript
from gnomon.scoring import judge


@functools.lru_cache
def _built(kind: str, settings: str) -> Dimension:
    return judge.build(kind, json.loads(settings))


def score(ref: DimensionRef, transcript: Transcript) -> Score:
    return judge.score(_built(ref.kind, json.dumps(ref.settings)), transcript)


def direction(ref: DimensionRef) -> Direction:
    return _built(ref.kind, json.dumps(ref.settings)).direction


def findings(charter: Charter) -> list[Finding]:
    return lint(charter, score=score, direction=direction)


def lint_with(charter: Charter, always: Score) -> list[Finding]:
    return lint(charter, score=lambda ref, transcript: always, direction=lambda ref: "higher is worse")
