"""TRL's side of a comparison: one trainer, one setting, a few steps. Runs in TRL's own environment.

    python trl_side.py '{"method": "dpo", "model": FOLDER, "dtype": "bfloat16", "steps": 4, "config": {…}}'

Batches are taken in the order of the rows, so that the other side can take the same ones.
"""

import json
import os
import sys
import time

for name, value in {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
                    "TRL_EXPERIMENTAL_SILENCE": "1", "CUDA_VISIBLE_DEVICES": ""}.items():  # fmt: skip
    os.environ.setdefault(name, value)

import clock  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import trl  # noqa: E402
from datasets import Dataset, disable_progress_bars  # noqa: E402
from pairs import pairs  # noqa: E402
from torch.utils.data import SequentialSampler  # noqa: E402
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

TRAINERS = {
    "dpo": (trl.DPOTrainer, trl.DPOConfig),
    "sft": (trl.SFTTrainer, trl.SFTConfig),
    "reward": (trl.RewardTrainer, trl.RewardConfig),
    "grpo": (trl.GRPOTrainer, trl.GRPOConfig),
}


def rows(method: str, count: int) -> Dataset:
    """The first pairs in the form that a trainer wants."""
    found = pairs()[:count]
    if method == "sft":
        found = [{"prompt": r["prompt"], "completion": r["chosen"]} for r in found]
    elif method == "grpo":
        found = [{"prompt": r["prompt"]} for r in found]
    return Dataset.from_list(found)


def variety(completions, **_):
    """The reward of GRPO: distinct words over words."""
    words = [c[0]["content"].split() for c in completions]
    return [len(set(w)) / (1 + len(w)) for w in words]


class Watch(transformers.TrainerCallback):
    """Ends of steps and losses."""

    def __init__(self) -> None:
        self.steps, self.losses = clock.Steps(), []

    def on_step_end(self, *_, **__):
        """Note the time."""
        self.steps.end()

    def on_log(self, args, state, control, logs=None, **_):
        """Keep the loss."""
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])


def train(asked: dict) -> dict:
    """Run one trainer."""
    method, count = asked["method"], asked["steps"]
    trainer, config = TRAINERS[method]
    settings = {
        "output_dir": asked["out"], "max_steps": count + 1, "learning_rate": asked["learning_rate"],
        "lr_scheduler_type": "constant", "report_to": "none", "save_strategy": "no", "logging_steps": 1,
        "disable_tqdm": True, "use_cpu": True, "seed": 42, **asked["config"],
    }  # fmt: skip
    kind = AutoModelForSequenceClassification if method == "reward" else AutoModelForCausalLM
    more = {"num_labels": 1} if method == "reward" else {}
    dtype = getattr(torch, asked["dtype"])
    model = kind.from_pretrained(asked["model"], dtype=dtype, **more)
    tokenizer = AutoTokenizer.from_pretrained(asked["model"])
    model.config.pad_token_id = tokenizer.pad_token_id
    if method == "reward":
        with torch.no_grad():
            model.score.weight.copy_(torch.load(asked["head"]).to(dtype))
    given = {"reward_funcs": variety} if method == "grpo" else {}
    if method == "dpo" and not settings.get("precompute_ref_log_probs"):
        given["ref_model"] = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=dtype)
    watch, began = Watch(), time.perf_counter()
    given |= {"train_dataset": rows(method, asked["rows"]), "processing_class": tokenizer, "callbacks": [watch]}
    made = trainer(model=model, args=config(**settings), **given)
    made._get_train_sampler = lambda *_, **__: SequentialSampler(made.train_dataset)
    init = time.perf_counter() - began
    if method == "grpo":
        del made._get_train_sampler  # groups of one prompt must stay together
    made.train()
    return {**watch.steps.result(count), "losses": watch.losses, "init_s": round(init, 1)}


def generate(asked: dict) -> dict:
    """transformers' generate, greedy, without stopping, dynamic and static cache; the faster counts."""
    tokenizer = AutoTokenizer.from_pretrained(asked["model"], padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=getattr(torch, asked["dtype"])).eval()
    found = {}
    for size in asked["sizes"]:
        texts = [
            tokenizer.apply_chat_template(r["prompt"], tokenize=False, add_generation_prompt=True) for r in pairs()
        ]
        batch = tokenizer(texts[:size], return_tensors="pt", padding=True, add_special_tokens=False)
        for cache in asked["caches"]:
            settings = {"cache_implementation": "static"} if cache == "static" else {}
            new, walls = asked["new"], []
            length = {"max_new_tokens": new, "min_new_tokens": new, "pad_token_id": tokenizer.pad_token_id}
            clock.forget_peak()
            for _ in range(asked["repeats"] + 1):
                began = time.perf_counter()
                with torch.inference_mode():
                    out = model.generate(**batch, **length, **settings, do_sample=False, disable_compile=True)
                walls.append(time.perf_counter() - began)
            assert out.shape[1] - batch["input_ids"].shape[1] == new
            rate = round(size * new / min(walls[1:]), 1)
            found[f"{size}/{cache}"] = {"tokens_per_s": rate, "peak_mib": clock.peak_mib()}
    return found


def main() -> None:
    """Do what the first argument asks."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(asked["threads"])
    disable_progress_bars()
    transformers.logging.set_verbosity_error()
    result = generate(asked) if asked["method"] == "generate" else train(asked)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "trl": trl.__version__}
    print("RESULT " + json.dumps({**asked, **result, "versions": versions}), flush=True)


if __name__ == "__main__":
    main()
