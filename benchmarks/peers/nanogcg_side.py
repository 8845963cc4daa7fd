"""nanogcg's side of `gcg_vs_nanogcg.py`: runs in an environment of its own and imports nothing of Gnomon's.

It is given the same model, conversation, target, first suffix, batch and top-k, and times its own steps.
"""

import copy
import json
import sys
import time

import nanogcg.gcg as peer
import torch
import transformers


def main() -> None:
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(asked["threads"])
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(asked["model"])
    # nanogcg takes every copy of the first token out of the template, and here that begins each turn.
    tokenizer.bos_token = None
    config = transformers.AutoConfig.from_pretrained(asked["model"])
    # It asks for an older transformers, which looks for this elsewhere.
    config.rope_theta = getattr(config, "rope_parameters", {}).get("rope_theta", config.rope_theta)
    model = transformers.AutoModelForCausalLM.from_pretrained(asked["model"], config=config, torch_dtype=torch.float32)
    model.eval().requires_grad_(False)
    marks: list[tuple[float, float]] = []
    plain, score = peer.GCG.compute_token_gradient, peer.GCG._compute_candidates_loss_original
    losses: list[float] = []

    def scored(self, search_batch_size, input_embeds):
        found = score(self, search_batch_size, input_embeds)
        losses.append(float(found.min()))
        return found

    def marked(self, ids):
        marks.append((time.perf_counter(), time.process_time()))
        return plain(self, ids)

    peer.GCG.compute_token_gradient = marked
    peer.GCG._compute_candidates_loss_original = scored
    draft = copy.deepcopy(model).to(torch.bfloat16) if asked["probe"] else None
    settings = peer.GCGConfig(
        num_steps=asked["steps"],
        optim_str_init=asked["start"],
        search_width=asked["batch"],
        topk=asked["top_k"],
        seed=asked["seed"],
        verbosity="ERROR",
        probe_sampling_config=draft and peer.ProbeSamplingConfig(draft_model=draft, draft_tokenizer=tokenizer),
    )
    messages = [dict(m) for m in asked["messages"]]
    messages[-1]["content"] += "{optim_str}"
    found = peer.run(model, tokenizer, messages, asked["target"], settings)
    marks.append((time.perf_counter(), time.process_time()))
    print("RESULT " + json.dumps({"marks": marks, "losses": found.losses, "start": losses[0]}))


if __name__ == "__main__":
    main()
