"""What a search may spend and has spent: tries, tokens, seconds and money, for one goal and for the whole run.

It asks nothing. Money is tokens at prices that the user states; tokens are the endpoint's own count where it gives one,
else one for four characters. Seconds of a run are those of its clock, over all sittings; those of one attack on one
goal are the seconds that its requests took (of a batch, an equal share).
Units: tries, tokens, seconds; prices for a million tokens, in any one currency.
Fails: closed; a budget of money without prices is a SettingsError.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Budget


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Of a million tokens."""

    target_in: float = 0.0
    """What the target reads."""
    target_out: float = 0.0
    """What the target writes."""
    attacker_in: float = 0.0
    """What the attacker's model reads."""
    attacker_out: float = 0.0
    """What the attacker's model writes."""

    def of(self, attacker: bool, into: int, out: int) -> float:
        """The price of one reply."""
        a, b = (self.attacker_in, self.attacker_out) if attacker else (self.target_in, self.target_out)
        return (into * a + out * b) / 1e6


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The most that a whole search may spend, over all attacks and goals; None: no limit."""

    tries: int | None = None
    """Conversations that the target answers."""
    tokens: int | None = None
    """Of the target and of the attacker's model together."""
    seconds: float | None = None
    """Of the run's clock, over all its sittings."""
    money: float | None = None
    """By the prices."""

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return any(most is not None for most in (self.tries, self.tokens, self.seconds, self.money))

    def share(self, part: float) -> "Whole":
        """A part of it, for one of several searches side by side; at least one try."""
        return Whole(
            tries=None if self.tries is None else max(1, int(self.tries * part)),
            tokens=None if self.tokens is None else int(self.tokens * part),
            seconds=self.seconds,
            money=None if self.money is None else self.money * part,
        )


def checked(budget: Budget, whole: Whole, prices: Prices) -> None:
    """Raise SettingsError for a budget of money that no price could ever use up."""
    if (budget.money is not None or whole.money is not None) and prices == Prices():
        raise SettingsError("a budget of money needs prices; write price_in and price_out, for a million tokens")


@dataclass
class Meter:
    """What a search has spent, and what is set aside for requests under way."""

    whole: Whole
    tries: int = 0
    asks: int = 0
    tokens: int = 0
    money: float = 0.0
    aside_tries: int = 0
    aside_tokens: int = 0
    aside_money: float = 0.0
    under_way: int = 0
    before: float = 0.0
    """Seconds of earlier sittings."""
    began: float | None = None
    """When this sitting asked for the first time."""
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def seconds(self) -> float:
        """The run's clock."""
        return self.before + (self.clock() - self.began if self.began is not None else 0.0)

    def start(self) -> None:
        """The first request leaves."""
        if self.began is None:
            self.began = self.clock()

    def remembered(self, at: float) -> None:
        """An answer of an earlier sitting was read back, which had come at that time of the run's clock."""
        if self.began is None:
            self.before = max(self.before, at)

    def spent(self) -> str:
        """Which budget of the run is used up; empty: none."""
        w = self.whole
        for name, used, most in (
            ("tries", self.tries, w.tries),
            ("tokens", self.tokens, w.tokens),
            ("money", self.money, w.money),
            ("seconds", self.seconds(), w.seconds),
        ):
            if most is not None and used >= most:
                return f"the run's budget: {name}"
        return ""

    def may(self, tries: int, tokens: int, money: float) -> bool:
        """Whether a request may leave beside those under way: what they may still use is set aside for them.

        With nothing under way it may, unless the budget is used up: what a reply will cost is only a guess.
        """
        w = self.whole
        if w.tries is not None and self.tries + self.aside_tries + tries > w.tries:
            return False
        if not self.under_way:
            return True
        if w.tokens is not None and self.tokens + self.aside_tokens + tokens > w.tokens:
            return False
        return w.money is None or self.money + self.aside_money + money <= w.money

    def aside(self, sign: int, tries: int, tokens: int, money: float) -> None:
        """Set aside for a request that leaves (+1), or take back when it has come (-1)."""
        self.under_way += sign
        self.aside_tries += sign * tries
        self.aside_tokens += sign * tokens
        self.aside_money += sign * money
