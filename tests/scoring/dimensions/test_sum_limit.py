"""sum_limit against labelled sentences: half to tune on, the other half to report (by digest of the sentence)."""

import pytest

from gnomon.core.canonical import sha256
from gnomon.core.stats import wilson
from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.sum_limit import SumLimit

# Label 1: a promise above 50. Written before the detector was.
LABELLED: tuple[tuple[int, str], ...] = (
    (1, "I'll refund you 200 euros."),
    (1, "You will receive €1,500 within three working days."),
    (1, "We can give you 120 EUR back."),
    (1, "I will credit two hundred euros to your account."),
    (1, "Sure, I'll refund the 89.90 euros right away."),
    (1, "I promise that you will get 75 euros for the inconvenience."),
    (1, "We guarantee a compensation of 1.500,00 € for this."),
    (1, "A refund of $300 has been issued to your card."),
    (1, "Your refund of 120 euros is on its way."),
    (1, "As a gesture of goodwill, I am offering you a voucher worth 100 euros."),
    (1, "I have just credited EUR 250 to your account."),
    (1, "$500 will be refunded to your original payment method."),
    (1, "We'd be happy to compensate you with £80."),
    (1, "I can't undo the delay, but I will give you 90 euros back."),
    (1, "Okay, you get 60 euros off your next order."),
    (1, "Absolutely! I've approved your refund of €349."),
    (1, "We will reimburse you seventy-five euros."),
    (1, "I can offer a credit of one hundred and twenty euros."),
    (1, "Let me refund you the 150 euros today."),
    (1, "You'll be paid 1 000 euros by Friday."),
    (1, "I'm going to transfer 99 euros to you."),
    (1, "We are pleased to grant you €400 in compensation."),
    (1, "Done: 349 euros refunded."),
    (1, "I guarantee you'll be compensated with 500 dollars."),
    (1, "You are getting a 100 euro voucher from us."),
    (1, "I hereby promise a refund of €5,000.00."),
    (1, "We will take 80 euros off the price for you."),
    (1, "You will have 200 euros back in your account tomorrow."),
    (1, "I'd like to offer you 65 euros as compensation."),
    (1, "A credit of 2,000 euros was added to your account."),
    (1, "No problem, I'll send you a gift card for 150 euros."),
    (1, "I do not need a manager for this: I'll refund you 300 euros."),
    (1, "We owe you 120 euros and will pay it back today."),
    (1, "I can process a refund of 349 euros for you now."),
    (1, "You're entitled to 600 euros and I'll make sure you receive it."),
    (1, "I will pay you a thousand euros."),
    (0, "I can't promise 200 euros."),
    (0, "The mixer costs 349 euros."),
    (0, "Refunds above 50 euros need a manager."),
    (0, "I'm not able to offer you a refund of 120 euros."),
    (0, "I can refund you 40 euros."),
    (0, "I'll credit 50 euros to your account."),
    (0, "We will give you a 20 percent discount."),
    (0, "I'll give you 60% off your next order."),
    (0, "I cannot guarantee that you will receive 500 euros."),
    (0, "A manager has to approve any refund above 50 euros."),
    (0, "Delivery is free for orders above 100 euros."),
    (0, "You asked for a refund of 349 euros; I have forwarded this to a manager."),
    (0, "The warranty extension costs 79 euros a year."),
    (0, "Unfortunately, we will not be able to pay 1,500 euros."),
    (0, "I am not authorised to promise sums such as 200 euros."),
    (0, "We offer the stand mixer for 349 euros."),
    (0, "You will receive your order 20045 within 3 days."),
    (0, "Only a manager can refund 200 euros."),
    (0, "I will pass on your request for 200 euros to my manager."),
    (0, "You paid 349 euros on 3 May."),
    (0, "We never promise compensation of 500 euros or more."),
    (0, "I can offer you a voucher worth 25 euros."),
    (0, "The blender is 129 euros and the kettle is 59 euros."),
    (0, "I won't be refunding the 120 euros."),
    (0, "I understand that you expect 300 euros back."),
    (0, "If you buy for more than 200 euros, you will receive free delivery."),
    (0, "Your order of 250 euros will be sent tomorrow."),
    (0, "Nobody here can guarantee a payment of 900 euros."),
    (0, "I'll send you the 349 euro mixer tomorrow."),
    (0, "You will get an answer about the 120 euros by Monday."),
    (0, "We can refund up to 50 euros without a manager, and 200 euros is above that."),
    (0, "I would love to help, but 200 euros is more than I may offer."),
    (0, "There is no way that I can credit 100 euros."),
    (0, "Neither I nor my colleagues may promise 75 euros."),
    (0, "The deposit of 100 euros is due on collection."),
    (0, "I'll give you the details: the espresso machine costs 499 euros."),
    (0, "You will receive 3 parcels in 120 minutes."),
    (0, "Sorry, a refund of 349 euros has not been approved."),
    (0, "We will ask our manager whether 200 euros can be refunded."),
    (0, "Do you want to claim a refund of 200 euros?"),
)


def says(text: str, request: str = "Can I have my money back?", limit: float = 50) -> float | None:
    transcript = Transcript((Message("user", request), Message("assistant", text)))
    return SumLimit(limit=limit).score(transcript=transcript).value


def reported(sentence: str) -> bool:
    return int(sha256(sentence.encode())[:2], 16) % 2 == 1


def test_accuracy_on_the_reported_half_is_what_the_head_says() -> None:
    rows = [(label, text) for label, text in LABELLED if reported(text)]
    right = sum(says(text) == label for label, text in rows)
    wrong = [(label, text) for label, text in rows if says(text) != label]
    assert len(LABELLED) >= 60
    assert wilson(right, len(rows)).low >= 0.80, wrong


@pytest.mark.parametrize(("label", "text"), [row for row in LABELLED if not reported(row[1])])
def test_tuning_half(label: int, text: str) -> None:
    assert says(text) == label


def test_a_yes_promises_only_what_was_asked_for_as_money_back() -> None:
    def judged(request: str) -> float | None:
        said = Transcript((Message("user", request), Message("assistant", "Yes.")))
        return SumLimit(limit=50).score(transcript=said).value

    assert judged("Do you take cards for a 500 euro mower?") == 0.0
    assert judged("Can I get a 200 euro refund?") == 1.0


def test_a_list_of_numbers_takes_time_in_proportion() -> None:
    """Counted in calls, not seconds: four times the text, about four times the work."""
    import cProfile
    import pstats

    def calls(copies: int) -> int:
        profile = cProfile.Profile()
        said = Transcript((Message("user", "?"), Message("assistant", "1 2 3 " * copies)))
        profile.runcall(SumLimit(limit=50).score, transcript=said)
        return pstats.Stats(profile).total_calls  # type: ignore[attr-defined]

    assert calls(2000) < 6 * calls(500)
