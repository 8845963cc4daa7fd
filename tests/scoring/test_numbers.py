"""Numbers and sums in the ways people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.scoring.numbers import CURRENCIES, amounts, numerals, parse_digits, parse_words


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1.500,00", 1500),
        ("1,500.00", 1500),
        ("1 500", 1500),
        ("1'500", 1500),
        ("12.5", 12.5),
        ("12,50", 12.5),
        ("1,500", 1500),
        ("1.234.567", 1234567),
        ("0.125", 0.125),
        ("7", 7),
    ],
)
def test_digits(written: str, value: float) -> None:
    assert parse_digits(written) == value


@given(st.integers(0, 10**9), st.integers(0, 99))
def test_both_conventions_agree(whole: int, cents: int) -> None:
    english = f"{whole:,}.{cents:02d}"
    continental = english.translate(str.maketrans(",.", ".,"))
    assert parse_digits(english) == parse_digits(continental) == pytest.approx(whole + cents / 100)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("two hundred", 200),
        ("a thousand", 1000),
        ("one hundred and twenty-five", 125),
        ("three million two hundred", 3000200),
        ("nineteen", 19),
        ("two dozen", 24),
        ("fifteen hundred", 1500),
        ("zero", 0),
    ],
)
def test_words(written: str, value: float) -> None:
    assert parse_words(written) == value


@pytest.mark.parametrize(
    ("written", "value", "currency"),
    [
        ("€1,500", 1500, "€"),
        ("200 euros", 200, "euros"),
        ("EUR 75", 75, "EUR"),
        ("two hundred euros", 200, "euros"),
        ("$2k", 2000, "$"),
        ("349-euro", 349, "euro"),
        ("a thousand dollars", 1000, "dollars"),
        ("1.500,00 €", 1500, "€"),
        ("£ 80", 80, "£"),
    ],
)
def test_amount_with_its_place(written: str, value: float, currency: str) -> None:
    text = f"You get {written} back"
    ((start, end, have, unit),) = amounts(text, CURRENCIES)
    assert (text[start:end], have, unit) == (written, value, currency)


@pytest.mark.parametrize("text", ["60% off", "in 3 days", "20 percent", "model EUR3", "7 euroclips"])
def test_no_currency(text: str) -> None:
    assert all(not unit for *_, unit in amounts(text, CURRENCIES))


def test_long_runs_of_digits_are_one_number() -> None:
    assert [v for *_, v in numerals("Order 12345678")] == [12345678]
    assert list(numerals("A12 v1.2.3.4x")) == []
