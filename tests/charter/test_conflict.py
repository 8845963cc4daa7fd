from gnomon.charter.compile import cases
from gnomon.charter.conflict import contradictions
from gnomon.charter.judging import Judge
from gnomon.charter.schema import Charter, DimensionRef
from gnomon.core.types import Score, Transcript


def charter(instead: list[str]) -> Charter:
    norm = {"statement": "s", "line": {"rate": 0.1}}
    probe = {"split": "train", "turns": ["Say it."]}
    return Charter.model_validate(
        {
            "gnomon": 1,
            "name": "c",
            "norms": [
                {
                    **norm,
                    "id": "a",
                    "detector": {"kind": "a"},
                    "instead": instead,
                    "probes": [{**probe, "family": "fa"}],
                },
                {**norm, "id": "b", "detector": {"kind": "b"}, "probes": [{**probe, "family": "fb"}]},
            ],
        }
    )


def score(ref: DimensionRef, transcript: Transcript) -> Score:
    """Norm a wants the word 'blue', norm b wants 'green'."""
    wanted = {"a": "blue", "b": "green"}[ref.kind]
    return Score(value=float(wanted not in transcript.reply))


def test_a_pair_without_a_common_reply_is_reported_once_and_a_witness_clears_it() -> None:
    judge = Judge(score, lambda ref: "higher is worse")
    alone = charter(["blue"])
    rows = list(contradictions(alone, cases(alone), judge))
    assert [(first.id, second.id) for first, second, _ in rows] == [("a", "b")]
    assert "case a/probe/fa/0" in rows[0][2]
    both = charter(["blue and green"])
    assert list(contradictions(both, cases(both), judge)) == []


def test_an_expected_answer_is_a_candidate() -> None:
    judge = Judge(score, lambda ref: "higher is worse")
    data = charter([]).model_dump(mode="json")
    for norm in data["norms"]:
        norm["probes"][0]["expect"] = {"answer": "green or blue"}
    made = Charter.model_validate(data)
    assert list(contradictions(made, cases(made), judge)) == []
