import pytest
from pydantic import BaseModel, ValidationError

from gnomon.charter import schema

MODELS = [v for v in vars(schema).values() if isinstance(v, type) and issubclass(v, BaseModel) and v is not BaseModel]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_every_model_is_frozen_refuses_extras_and_describes_its_fields(model: type[BaseModel]) -> None:
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    assert model.__doc__
    assert all(field.description for field in model.model_fields.values())


def test_a_bare_text_is_a_users_turn() -> None:
    family = schema.Family.model_validate(
        {"family": "f", "split": "train", "turns": ["hi", {"assistant": "yes"}, {"user": "ok"}]}
    )
    assert [(turn.user, turn.assistant) for turn in family.turns] == [("hi", None), (None, "yes"), ("ok", None)]


def test_what_cannot_be_changed() -> None:
    risk = schema.Risk(id="r", statement="s")
    with pytest.raises(ValidationError):
        risk.id = "q"  # type: ignore[misc]
