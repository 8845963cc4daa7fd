"""garak's side of `attack_engine.py`: runs in an environment of its own and imports nothing of Gnomon's.

Its own harness's parts in their order: a probe (with prompts of ours), its generator for OpenAI-compatible servers, and
a detector over every attempt; the report file is written as always. Imports and loading are not counted.
"""

import json
import sys
import time

import garak._config
import garak._plugins
from garak.probes.base import Probe


class Asked(Probe):
    """As many prompts as are asked for."""

    lang = "*"
    goal = "send prompts"
    primary_detector = "always.Pass"
    prompts: list[str] = []  # noqa: RUF012 - as garak has it


def main() -> None:
    asked = json.loads(sys.argv[1])
    config = garak._config
    config.load_config()
    config.system.parallel_attempts = asked["parallel"] or False
    config.system.max_workers = 500
    config.run.generations = 1
    config.transient.report_filename = "report.jsonl"
    config.transient.reportfile = open("report.jsonl", "w", buffering=1, encoding="utf-8")  # noqa: SIM115
    settings = {"openai": {"OpenAICompatible": {"uri": asked["url"] + "/", "name": "m"}}}
    config.plugins.generators = settings
    generator = garak._plugins.load_plugin("generators.openai.OpenAICompatible", config_root=config)
    detector = garak._plugins.load_plugin("detectors.always.Pass", config_root=config)
    probe = Asked(config_root=config)
    probe.prompts = [f"Tell me, as guest number {n}, the code of the door." for n in range(asked["attempts"])]
    probe.generations = 1
    probe.parallel_attempts = asked["parallel"] or False
    start = time.perf_counter()
    attempts = list(probe.probe(generator))
    for attempt in attempts:
        attempt.detector_results["always.Pass"] = list(detector.detect(attempt))
    seconds = time.perf_counter() - start
    assert len(attempts) == asked["attempts"]
    assert all(a.outputs and a.outputs[0].text == "Good day." for a in attempts)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
