"""Loss values and gradients of TRL 1.16.0's own trainers on small random float64 tensors, for the tests to replay.

    .peers/trl/bin/python tests/training/trl/offline.py tests/training/trl/offline.json

Each trainer is made without its set-up (no model, data or process group) and given the few attributes that its loss
reads; the loss is then TRL's code, unchanged. The model is a stand-in that returns our tensors. Where TRL reads tokens'
log-probabilities from its fused head, they are the leaf of the gradient; elsewhere logits or rewards are.
Shapes: `B` pairs, chosen before rejected, so 2B rows of T tokens; token t is predicted at t - 1.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import torch
import trl
from trl import DPOTrainer, KTOTrainer, RewardTrainer, SFTTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer

T, WORDS = 7, 5
DRAW = torch.Generator()


def uniform(*shape, low=0.0, high=1.0):
    return low + (high - low) * torch.rand(*shape, generator=DRAW, dtype=torch.float64)


def trainer(kind, **attributes):
    """A trainer without its set-up."""
    made = object.__new__(kind)
    one = SimpleNamespace(device=torch.device("cpu"), gather=lambda x: x, gather_for_metrics=lambda x: x)
    one.parallelism_config = None
    made.accelerator, made.model = one, SimpleNamespace(training=True)
    made._metrics, made._total_train_tokens, made._tp_size = {"train": defaultdict(list)}, 0, 1
    made.aux_loss_enabled, made.is_encoder_decoder, made.precompute_ref_logps = False, False, True
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def masks(prompt, lengths):
    """1 where a token belongs to the completion, and where there is a token at all."""
    place = torch.arange(T)[None]
    length = torch.tensor(lengths)[:, None]
    return ((place >= prompt) & (place < prompt + length)).long(), (place < prompt + length).long()


def outputs(log_probs, mask):
    """What TRL's fused head returns, as far as a loss and its metrics read it; zero outside the completion."""
    zero = torch.zeros_like(log_probs.detach())
    return SimpleNamespace(
        log_probs=log_probs * mask, label_mask=mask.bool(), entropy=zero, mean_logits=zero, is_top1=zero.bool()
    )


def case(name, settings, inputs, leaf, loss):
    """One vector: what went in, TRL's loss, and its gradient in the leaf."""
    (gradient,) = torch.autograd.grad(loss, leaf)
    plain = {key: value.detach().tolist() if torch.is_tensor(value) else value for key, value in inputs.items()}
    return {"name": name, "settings": settings, **plain, "loss": loss.item(), "gradient": gradient.tolist()}


def token_logps(completion):
    mask = completion[:, 1:]
    return (-3 * uniform(*mask.shape) * mask).requires_grad_(True), mask


def dpo(name, *, chosen, rejected, terms=("sigmoid",), weights=None, beta=0.3, smoothing=0.0, ordered=False):
    completion, attention = masks(2, [*chosen, *rejected])
    leaf, mask = token_logps(completion)
    reference = uniform(len(completion), low=-12.0, high=-1.0)
    if ordered:  # pairs in ascending order of both log-ratios, for a loss that sorts them
        leaf = leaf.detach()[ascending(leaf.detach().sum(1))].requires_grad_(True)
        reference = reference[ascending(reference)]
    first, second = reference.chunk(2)
    made = trainer(
        DPOTrainer,
        beta=beta,
        label_smoothing=smoothing,
        loss_types=list(terms),
        loss_weights=list(weights or [1.0] * len(terms)),
        f_divergence_type="reverse_kl",
        ld_alpha=None,
        use_weighting=False,
    )
    inputs = {"input_ids": attention, "attention_mask": attention, "completion_mask": completion}
    inputs |= {"ref_chosen_logps": first, "ref_rejected_logps": second}
    loss = made._compute_loss(lambda **_: outputs(leaf, mask), inputs, False)
    settings = {"terms": list(terms), "weights": made.loss_weights, "beta": beta, "label_smoothing": smoothing}
    return case(name, settings, {"log_probs": leaf, "mask": mask, "reference": reference}, leaf, loss)


def ascending(values):
    """Rows of pairs by the difference of their halves; all completions must be of one length."""
    chosen, rejected = values.chunk(2)
    order = torch.argsort(chosen - rejected)
    return torch.cat([order, order + len(order)])


def kto(name, *, lengths, label, shift, weights=(1.0, 1.0), beta=0.3):
    completion, attention = masks(2, lengths)
    other, other_attention = masks(2, lengths[-1:] + lengths[:-1])
    leaf, mask = token_logps(completion)
    mismatched, other_mask = token_logps(other)
    reference = uniform(len(lengths), low=-8.0, high=-1.0)
    # The mismatched gains are set off by `shift`, so that their mean is above or below zero as the case wants.
    mismatched_reference = mismatched.detach().sum(1) - shift + uniform(len(lengths), low=-0.5, high=0.5)
    made = trainer(
        KTOTrainer,
        beta=beta,
        loss_type="kto",
        calculate_KL=True,
        desirable_weight=weights[0],
        undesirable_weight=weights[1],
    )
    inputs = {"input_ids": attention, "attention_mask": attention, "completion_mask": completion}
    inputs |= {"KL_input_ids": other_attention, "KL_attention_mask": other_attention, "KL_completion_mask": other}
    inputs |= {"label": torch.tensor(label), "ref_logps": reference, "ref_KL_logps": mismatched_reference}
    own = attention.data_ptr()

    def model(*, input_ids, **_):
        return outputs(leaf, mask) if input_ids.data_ptr() == own else outputs(mismatched, other_mask)

    loss = made._compute_loss(model, inputs, False)
    settings = {"beta": beta, "desirable_weight": weights[0], "undesirable_weight": weights[1]}
    given = {"log_probs": leaf, "mask": mask, "reference": reference, "label": label}
    given |= {"mismatched_log_probs": mismatched, "mismatched_reference": mismatched_reference}
    return case(name, settings, given, leaf, loss)


def sft(name, *, lengths):
    completion, attention = masks(2, lengths)
    leaf, mask = token_logps(completion)
    args = SimpleNamespace(loss_type="nll", average_tokens_across_devices=False)
    made = trainer(SFTTrainer, args=args, compute_loss_func=None, label_smoother=None)
    inputs = {"input_ids": attention, "attention_mask": attention, "labels": attention}
    loss = made.compute_loss(lambda **_: outputs(leaf, mask), inputs)
    return case(name, {}, {"log_probs": leaf, "mask": mask}, leaf, loss)


def reward(name, *, margin=False, centring=None, size=4):
    leaf = uniform(2 * size, low=-3.0, high=3.0).requires_grad_(True)
    given = uniform(size, low=-0.5, high=2.0) if margin else torch.zeros(size, dtype=torch.float64)
    made = trainer(RewardTrainer, args=SimpleNamespace(center_rewards_coefficient=centring))
    inputs = {"attention_mask": torch.ones(2 * size, 1)} | ({"margin": given} if margin else {})
    loss = made.compute_loss(lambda **_: SimpleNamespace(logits=leaf[:, None]), inputs)
    return case(name, {"centring": centring or 0.0}, {"rewards": leaf, "margin": given}, leaf, loss)


def logits_case(name, kind, settings, *, prompt, chosen, rejected, **attributes):
    """CPO and ORPO trainers compute log-probabilities from logits themselves."""
    completion, attention = masks(prompt, [*chosen, *rejected])
    leaf = uniform(len(completion), T, WORDS, low=-2.0, high=2.0).requires_grad_(True)
    ids = torch.randint(1, WORDS, completion.shape, generator=DRAW) * attention
    labels = torch.where(completion.bool(), ids, -100)
    batch = {}
    for half, rows in (("chosen", slice(None, len(chosen))), ("rejected", slice(len(chosen), None))):
        batch |= {f"{half}_input_ids": ids[rows], f"{half}_attention_mask": attention[rows]}
        batch |= {f"{half}_labels": labels[rows]}
    made = trainer(kind, pad_token_id=0, padding_value=0, **attributes)
    # ORPO's trainer rounds log-probabilities to float32 by `.float()`; in float64 its formula shows to all digits.
    with patch.object(torch.Tensor, "float", torch.Tensor.double):
        loss, _ = made.get_batch_loss_metrics(lambda *_, **__: SimpleNamespace(logits=leaf), batch)
    given = {"logits": leaf, "ids": ids, "mask": completion[:, 1:], "full_mask": attention[:, 1:]}
    return case(name, settings, given, leaf, loss)


def simpo(name, *, beta, gamma):
    rows = {"prompt": 2, "chosen": (3, 5, 2), "rejected": (4, 1, 3)}
    fixed = {"loss_type": "simpo", "alpha": 0.0, "cpo_alpha": 0.0, "label_smoothing": 0.0}
    settings = {"beta": beta, "gamma": gamma}
    return logits_case(name, CPOTrainer, settings, **rows, **fixed, beta=beta, simpo_gamma=gamma)


def orpo(name, *, lam, **rows):
    return logits_case(name, ORPOTrainer, {"lam": lam}, **rows, beta=lam)


def vectors():
    """Every method and its vectors."""
    uneven, even = {"chosen": (3, 5, 2), "rejected": (4, 1, 3)}, {"chosen": (4, 4, 4), "rejected": (2, 5, 3)}
    square = {"chosen": (4, 4, 4), "rejected": (4, 4, 4)}
    replies = {"lengths": [3, 5, 2, 4], "label": [True, False, False, True]}
    made = {
        "dpo": lambda: [
            dpo("sigmoid", **uneven),
            dpo("label smoothing", **square, terms=("aot",), smoothing=0.2, ordered=True),
            dpo("likelihood term, chosen of equal length", **even, terms=("sigmoid", "sft"), weights=(1.0, 0.7)),
            dpo("likelihood term, chosen of any length", **uneven, terms=("sigmoid", "sft"), weights=(1.0, 0.7)),
        ],
        "ipo": lambda: [dpo("averaged over length", **uneven, terms=("ipo",))],
        "kto": lambda: [
            kto("divergence above zero", **replies, shift=1.5),
            kto("divergence below zero", **replies, shift=-1.5),
            kto("weights", **replies, shift=0.8, weights=(1.3, 0.6), beta=0.1),
            kto("desirable only", lengths=[3, 2], label=[True, True], shift=0.5),
        ],
        "simpo": lambda: [
            simpo("the authors' setting", beta=2.5, gamma=1.375),
            simpo("no margin", beta=2.0, gamma=0.0),
        ],
        "orpo": lambda: [
            orpo("one token before chosen of equal length", lam=0.3, prompt=1, **even),
            orpo("prompts and chosen of any length", lam=0.3, prompt=2, **uneven),
        ],
        "reward": lambda: [
            reward("plain"),
            reward("margin", margin=True),
            reward("centring", centring=0.01),
            reward("margin and centring", margin=True, centring=0.2),
        ],
        "sft": lambda: [sft("replies of any length", lengths=[3, 5, 1])],
    }
    for seed, (name, cases) in enumerate(made.items()):
        DRAW.manual_seed(seed)
        yield name, cases()


if __name__ == "__main__":
    lines = [f'"{name}": [\n' + ",\n".join(map(json.dumps, cases)) + "]" for name, cases in vectors()]
    text = f'{{"trl": "{trl.__version__}",\n' + ",\n".join(lines) + "}\n"
    Path(sys.argv[1]).write_text(text)
