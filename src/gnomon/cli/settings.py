"""Settings of the main job, in one place; every field can be changed with `--set name=value`.

Defaults are sized for the embedded model on two cores. `quick` is the same job with fewer of everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Json

OWN: Mapping[str, Mapping[str, Json]] = {"dpo": {"rpo_alpha": 1.0}}
"""Where the main job departs from a method's own defaults: plain DPO lets the likelihood of the chosen reply fall."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What `gnomon run` does, and how much of it."""

    seed: int = 0
    """Root of every random stream."""
    max_new_tokens: int = 32
    """Tokens after which a reply is cut, in every measurement of the run."""
    temperature: float = 0.7
    """Sampling temperature of every measurement: what is measured is the model as it would be sampled."""
    cases_per_target: int = 0
    """Most cases of one kind and target in one split; 0 = all that the charter has."""
    samples: int = 2
    """Replies drawn from the start model for each training case, to make pairs from."""
    method: str = "dpo"
    """How alignment trains; `gnomon methods` lists the ways."""
    loss: Mapping[str, Json] = field(default_factory=dict)
    """Settings of the method itself, as `--set loss.beta=0.2`; `gnomon methods NAME` lists them."""
    loop: Mapping[str, Json] = field(default_factory=dict)
    """Settings of its loop that have no name of their own here, as `--set loop.staleness=4`."""
    data: str = ""
    """Rows to learn from (JSONL, Parquet, a folder or a hub id) instead of pairs made from the charter's cases."""
    test: str = ""
    """Rows that are measured on elsewhere: what leaks from them into `data` is not learned from."""
    reward_model: str = ""
    """For methods that sample: the folder of a reward model, instead of the charter's proxies."""
    sampler: str = ""
    """For methods that sample: where replies come from, as --model writes it (http://host/v1#name), instead of the
    live weights; what it serves must be kept near them by whoever runs it."""
    release: tuple[str, ...] = ()
    """With loop.norms=latch: ids of suspended prompts that a person lets be sampled again."""
    track: tuple[str, ...] = ()
    """Where a training's numbers go beside RUN/work/metrics: tensorboard, trackio or wandb (offline)."""
    weights: Literal["lora", "full"] = "lora"
    """Train low-rank adapters over frozen weights, or all weights."""
    steps: int = 48
    """Optimiser steps."""
    pairs_per_step: int = 8
    """Preference pairs in one step."""
    checkpoint_every: int = 16
    """Steps between checkpoints; each checkpoint becomes a point of the limit curve."""
    learning_rate: float | None = None
    """Peak learning rate; left out: 1.5e-3 for adapters, 2e-5 for all weights."""
    best_of: int = 8
    """Replies a case for the best-of-n curve."""
    best_of_cases: int = 6
    """Cases of each norm and preference for the best-of-n curve."""
    divergence_cases: int = 48
    """Replies from which each checkpoint's divergence is estimated."""
    attacks: tuple[str, ...] = ("direct", "prefix", "roleplay", "encoding", "best_of_n", "multi_turn")
    """Attacks by name; `gnomon plugins attack` lists them."""
    attack: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Settings of attacks, as `--set attack.gcg.steps=100`; those left out keep the attack's own defaults."""
    attacker: str = ""
    """The model that attacks may ask, as --model writes it; empty: none, and attacks then use their own words."""
    learn: Mapping[str, Json] = field(default_factory=dict)
    """How `gnomon attacker` trains an attacker's model, as `--set learn.rounds=3`."""
    goals_per_norm: int = 7
    """Held-out probes of each norm that every attack tries to break."""
    goals: str = ""
    """A file with goals (CSV, JSON lines, or a request a line) to attack instead of the charter's probes."""
    goals_norm: str = ""
    """With `goals`: the norm whose detector judges the replies; empty: the charter's only norm."""
    goals_most: int = 0
    """With `goals`: at most so many, spread evenly over their categories; 0 = all."""
    goals_columns: Mapping[str, str] = field(default_factory=dict)
    """With `goals`: what the file calls request, target, context, category or id, as
    `--set goals_columns.request=question`."""
    tries: int = 2
    """Most tries of one attack on one goal."""
    goal_seconds: float | None = None
    """Most seconds that the requests of one attack on one goal may take; left out: no limit."""
    goal_money: float | None = None
    """Most money for one attack on one goal, by the prices; left out: no limit."""
    run_tries: int | None = None
    """Most tries of all attacks on all goals together; left out: no limit. So for the next three."""
    run_tokens: int | None = None
    """Most tokens of all attacks together, those of the attacker's model among them."""
    run_seconds: float | None = None
    """Most seconds of all attacks together, by the clock, over all sittings."""
    run_money: float | None = None
    """Most money for all attacks together, by the prices."""
    price_in: float = 0.0
    """Of a million tokens that the target reads, in any one currency."""
    price_out: float = 0.0
    """Of a million tokens that the target writes."""
    attacker_price_in: float = 0.0
    """Of a million tokens that the attacker's model reads."""
    attacker_price_out: float = 0.0
    """Of a million tokens that the attacker's model writes."""
    allocation: Literal["even", "bandit"] = "even"
    """Every attack on every goal alike, or by what broke so far: more breaks for the same tries, but few rates."""
    bandit_even: int = 1
    """With the bandit: first tries of every attack on every goal, of which effort curves are made."""
    stop_below: float | None = None
    """A norm's search ends when nothing broke on so many goals that at most this share of them can; left out: never."""
    repeats: int = 1
    """Times that all is done, each from another seed: for the chance that one of k repeats breaks."""
    request_seconds: float = 120.0
    """Remote models: seconds after which one request is given up."""
    request_tries: int = 5
    """Remote models: times that one request is sent before its failure counts."""
    concurrency: int = 16
    """Remote models: requests under way at once."""
    max_requests: int | None = None
    """Remote models: budget of requests for the whole command."""

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise SettingsError(f"repeats is {self.repeats}; write 1 or more")

    @property
    def rate(self) -> float:
        """The peak learning rate."""
        usual = 1.5e-3 if self.weights == "lora" else 2e-5
        return usual if self.learning_rate is None else self.learning_rate

    @property
    def loss_settings(self) -> dict[str, Json]:
        """Settings of the method: the main job's own, then the user's."""
        return {**OWN.get(self.method, {}), **self.loss}

    @property
    def sampling(self) -> Sampling:
        """How replies are drawn in every measurement."""
        return Sampling(max_new_tokens=self.max_new_tokens, temperature=self.temperature, seed=self.seed)

    @property
    def remote(self) -> dict[str, Json]:
        """How a remote model is asked."""
        return {
            "seconds": self.request_seconds,
            "tries": self.request_tries,
            "concurrency": self.concurrency,
            "max_requests": self.max_requests,
        }


def quick(settings: RunSettings) -> RunSettings:
    """The same job with fewer of everything: for a first look, with wide intervals."""
    return replace(
        settings,
        cases_per_target=12,
        samples=1,
        steps=8,
        pairs_per_step=8,
        checkpoint_every=4,
        best_of=4,
        best_of_cases=3,
        divergence_cases=16,
        goals_per_norm=2,
        tries=2,
    )
