"""AgentDojo's suites: their tasks, the places where a foreign text can stand, and environments with such texts in them.

The package's own tasks, tools and checks are used, none is copied; what runs in an environment is `episode`'s.
A text may hold any characters: it is put into the parsed environment, where the package's loader puts it into YAML.
Source: Debenedetti et al., AgentDojo (arXiv 2406.13352), package agentdojo 0.1.35, benchmark v1.2.2 (97 user tasks, 949
pairs of user and injection task; v1 has 629).
Fails: closed; without the package, SettingsError names the extra; an unknown suite, task or place is one, too.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from gnomon.core.errors import SettingsError, choices
from gnomon.core.types import Json, ToolCall

NAMES = ("workspace", "banking", "slack", "travel")
VERSION = "v1.2.2"
"""The newest benchmark of the package."""


def part(name: str) -> Any:
    """A module of the package, as `part("task_suite")`. Raises SettingsError where the package is missing."""
    try:
        return importlib.import_module(f"agentdojo.{name}")
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        what = "agentdojo is not installed" if missing == "agentdojo" else f"agentdojo needs the package '{missing}'"
        raise SettingsError(f"{what}; the suites of AgentDojo need: pip install 'gnomon[agents]'") from error


def opened(name: str, version: str = VERSION) -> "Suite":
    """A suite by its name, as in `opened("banking")`."""
    suites = part("task_suite").get_suites(version)
    if not suites:
        raise SettingsError(f"AgentDojo has no benchmark '{version}'; write {VERSION}")
    if name not in suites:
        raise SettingsError(f"AgentDojo has no suite '{name}'; {choices(name, suites)}")
    return Suite(name, version, suites[name])


@dataclass(frozen=True)
class Suite:
    """One suite of one version of the benchmark."""

    name: str
    version: str
    inner: Any
    """The package's own object."""

    @property
    def users(self) -> tuple[str, ...]:
        """Ids of the user tasks."""
        return tuple(self.inner.user_tasks)

    @property
    def errands(self) -> tuple[str, ...]:
        """Ids of the injection tasks."""
        return tuple(self.inner.injection_tasks)

    def request(self, user: str) -> str:
        """What the user asks for."""
        return str(self._task(self.inner.user_tasks, user).PROMPT)

    def goal(self, errand: str) -> str:
        """What the attacker wants."""
        return str(self._task(self.inner.injection_tasks, errand).GOAL)

    def task(self, id: str) -> Any:
        """The package's task, of either kind."""
        return self._task({**self.inner.user_tasks, **self.inner.injection_tasks}, id)

    def solution(self, id: str, environment: Any) -> tuple[tuple[ToolCall, ...], str]:
        """The package's own calls and last words that solve a task; no calls where it publishes none."""
        task = self.task(id)
        calls = task.ground_truth(environment)
        return tuple(ToolCall(name=c.function, arguments=dict(c.args), id=c.function) for c in calls), str(
            task.GROUND_TRUTH_OUTPUT
        )

    def solved(self, errand: str) -> bool:
        """Whether the package publishes how this injection task is done: of eight in workspace it does not."""
        calls, words = self.solution(errand, self.environment({}))
        return bool(calls or words)

    def places(self, user: str) -> tuple[str, ...]:
        """The places whose text an agent reads that solves this user task as published."""
        if user not in self._places:
            # No blanks: the YAML of a result folds lines at them.
            marks = {place: f"<mark-{place}>" for place in self._defaults}
            environment = self.environment(marks)
            solve = part("agent_pipeline").GroundTruthPipeline(self._task(self.inner.user_tasks, user))
            runtime = part("functions_runtime").FunctionsRuntime(self.inner.tools)
            *_, messages, _ = solve.query(self.request(user), runtime, environment)
            read = "\n".join(str(m["content"]) for m in messages if m["role"] == "tool")
            self._places[user] = tuple(place for place, mark in marks.items() if mark in read)
        return self._places[user]

    def environment(self, texts: Mapping[str, str]) -> Any:
        """The suite's world with these texts at these places; elsewhere what the package puts there."""
        if unknown := texts.keys() - self._defaults.keys():
            raise SettingsError(f"{self.name} has no place '{min(unknown)}'; {choices(min(unknown), self._defaults)}")
        return self.inner.environment_type.model_validate(_filled(self._parsed, {**self._defaults, **texts}))

    @cached_property
    def _places(self) -> dict[str, tuple[str, ...]]:
        return {}

    @cached_property
    def _parsed(self) -> Json:
        """The environment's data with a mark at each place: reading YAML is the dearest part of a run."""
        inside = part("task_suite.task_suite")
        text = inside.read_suite_file(self.inner.name, "environment.yaml", self.inner.data_path)
        return yaml.safe_load(text.format(**{place: _mark(place) for place in self._defaults}))

    @cached_property
    def _defaults(self) -> dict[str, str]:
        """What stands at each place where nothing is planted; the package writes it for inside a quoted YAML string."""
        found = self.inner.get_injection_vector_defaults()
        return {place: str(yaml.safe_load(f'"{text}"')) for place, text in found.items()}

    def _task(self, tasks: Mapping[str, Any], id: str) -> Any:
        if id not in tasks:
            raise SettingsError(f"{self.name} has no task '{id}'; {choices(id, tasks)}")
        return tasks[id]


def _mark(place: str) -> str:
    return f"\u27e6{place}\u27e7"


def _filled(value: Json, texts: Mapping[str, str]) -> Json:
    if isinstance(value, str):
        if "\u27e6" in value:
            for place, text in texts.items():
                value = value.replace(_mark(place), text)
        return value
    if isinstance(value, dict):
        return {_filled(key, texts): _filled(inner, texts) for key, inner in value.items()}
    return [_filled(inner, texts) for inner in value] if isinstance(value, list) else value
