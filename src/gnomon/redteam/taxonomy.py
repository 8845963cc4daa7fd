"""Ids of the field's taxonomies for every attack, from one table; what has no sure id has none.

An id says how an attack works, not what it broke: that is the norm.
Source: MITRE ATLAS 5.6.0; OWASP Top 10 for LLM Applications 2026 (August 2026); OWASP Top 10 for Agentic Applications
2026 (December 2025); NIST AI 100-2 E2025, sections 3.3 and 3.4.
Departs: `direct`, and searches against a proxy reward, have no id: none of the four names them. A judge that reads an
injected reply is an indirect injection.
Fails: open; an attack that is not in the table has no ids.
"""

from typing import NamedTuple

VERSIONS = {
    "mitre-atlas": "5.6.0",
    "owasp-llm": "2026",
    "owasp-asi": "2026",
    "nist-ai-100-2": "E2025",
}


class Ids(NamedTuple):
    """Ids of one attack."""

    atlas: tuple[str, ...] = ()
    llm: tuple[str, ...] = ()
    asi: tuple[str, ...] = ()
    nist: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """As one list, each with its taxonomy before it."""
        pairs = zip(VERSIONS, self, strict=True)
        return tuple(f"{name}:{id}" for name, ids in pairs for id in ids)


JAILBREAK = Ids(("AML.T0054",), ("LLM01:2026",), (), ("NISTAML.018",))
"""LLM Jailbreak; Prompt Injection, of which OWASP counts jailbreaks as a form; direct prompting attacks."""
OBFUSCATED = JAILBREAK._replace(atlas=("AML.T0054", "AML.T0068"))
"""And LLM Prompt Obfuscation."""
SEARCHED = JAILBREAK._replace(atlas=("AML.T0054", "AML.T0043.001"))
"""And Black-Box Optimization."""
GRADIENT = JAILBREAK._replace(atlas=("AML.T0054", "AML.T0043.000"))
"""And White-Box Optimization."""
INJECTED = Ids(("AML.T0051.000",), ("LLM01:2026",), (), ("NISTAML.018",))
"""LLM Prompt Injection: Direct."""
PLANTED = Ids(("AML.T0051.001",), ("LLM01:2026",), ("ASI01",), ("NISTAML.015",))
"""LLM Prompt Injection: Indirect; Agent Goal Hijack; indirect prompt injection."""
REMEMBERED = Ids(("AML.T0080.000",), ("LLM01:2026",), ("ASI06",), ())
"""AI Agent Context Poisoning: Memory; Memory and Context Poisoning."""
EXTRACTED = Ids(("AML.T0057",), ("LLM02:2026",), (), ("NISTAML.038",))
"""LLM Data Leakage; Sensitive Information Disclosure; data extraction."""

TABLE: dict[str, Ids] = {
    **dict.fromkeys(("prefix", "roleplay", "multi_turn", "many_shot", "crescendo", "refusal_suppression"), JAILBREAK),
    **dict.fromkeys(("encoding", "converted", "languages", "evasion", "translation", "ciphers"), OBFUSCATED),
    **dict.fromkeys(("best_of_n", "pair", "tap", "autodan", "genetic", "goat"), SEARCHED),
    **dict.fromkeys(("gcg", "universal_gcg", "embedding", "soft_prompt"), GRADIENT),
    **dict.fromkeys(("injection", "direct_injection", "prompt_injection"), INJECTED),
    **dict.fromkeys(("indirect", "indirect_injection", "tool_injection"), PLANTED),
    "judge_injection": Ids(("AML.T0051.001",), ("LLM01:2026",), (), ("NISTAML.015",)),
    "learned": SEARCHED,
    "minja": REMEMBERED,
    "memory_injection": REMEMBERED,
    "agent_poison": Ids(("AML.T0070", "AML.T0080.000", "AML.T0043.000"), ("LLM09:2026",), ("ASI06",), ()),
    "system_prompt": Ids(("AML.T0056",), ("LLM08:2026",), (), ("NISTAML.035",)),
    "system_prompt_extraction": Ids(("AML.T0056",), ("LLM08:2026",), (), ("NISTAML.035",)),
    "prefix_extraction": EXTRACTED,
    "training_data": EXTRACTED,
    "canaries": EXTRACTED,
    "membership": Ids(("AML.T0024.000",), ("LLM02:2026",), (), ("NISTAML.033",)),
    "embedding_inversion": Ids(("AML.T0024.001",), ("LLM09:2026",), (), ()),
    "distillation": Ids(("AML.T0024.002",), (), (), ("NISTAML.031",)),
}
"""Attack (a plug-in's name) to its ids."""


def ids(attack: str) -> Ids:
    """Ids of an attack by its name; none where there is no sure one."""
    return TABLE.get(attack, Ids())
