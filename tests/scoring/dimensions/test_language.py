"""language: one sentence of each language against all the others."""

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.language import Language

TEXTS = {
    "ar": "مدة الضمان سنتان ويشمل جميع الأجهزة.",
    "de": "Die Garantie beträgt zwei Jahre und gilt für alle Geräte, die Sie bei uns kaufen.",
    "en": "The warranty is two years and it covers all of the devices that you buy from us.",
    "es": "La garantía es de dos años y cubre todos los aparatos que usted compra en nuestra tienda.",
    "fr": "La garantie est de deux ans et elle couvre tous les appareils que vous achetez dans notre magasin.",
    "it": "La garanzia è di due anni e copre tutti gli apparecchi che compra nel nostro negozio.",
    "ja": "保証期間は二年で、すべての製品が対象です。",
    "ko": "보증 기간은 2년이며 모든 제품에 적용됩니다.",
    "nl": "De garantie is twee jaar en geldt voor alle apparaten die u bij ons koopt.",
    "pt": "A garantia é de dois anos e cobre todos os aparelhos que você compra na nossa loja.",
    "ru": "Гарантия составляет два года и распространяется на все приборы.",
    "zh": "保修期为两年，适用于所有产品。",
}


def says(code: str, reply: str) -> float | None:
    return Language(code=code).score(transcript=Transcript((Message("assistant", reply),))).value


@pytest.mark.parametrize("code", TEXTS)
def test_own_text_scores_one_and_every_other_less(code: str) -> None:
    assert says(code, TEXTS[code]) == pytest.approx(1.0, abs=0.02)
    for other, text in TEXTS.items():
        if other != code:
            assert (says(code, text) or 0) < 0.5, other


def test_mixed_text_is_in_between() -> None:
    assert 0.2 < (says("ru", TEXTS["ru"] + " " + TEXTS["en"]) or 0) < 0.8


def test_too_short_is_unscored_and_no_letters_is_zero() -> None:
    assert says("de", "Mixer 3000") is None
    assert says("de", "3000!") == 0.0


def test_unknown_language() -> None:
    with pytest.raises(SettingsError, match="there are"):
        Language(code="english")
