"""Consents, addresses, keys and programs that a study needs from its environment."""

import shutil
from collections.abc import Callable, Iterator, Mapping

from safegrid.config.benchmark import BenchmarkSpec
from safegrid.config.block import plain_address
from safegrid.config.engine import ENGINE_KEY, VLLM
from safegrid.core.consent import RUN_CODE, names_of
from safegrid.study import Study
from safegrid.study.gathered import judged_by, suite_results
from safegrid.study.prerequisites.prerequisite import Prerequisite, State

CODING = ("cruxeval", "humaneval", "longproc", "mbpp")
"""What names begin with of tasks, groups and tags that run code, of those shipped."""


def of_environment(
    study: Study, environment: Mapping[str, str], is_there: Callable[[str], bool]
) -> Iterator[Prerequisite]:
    """Give the variables and programs without which jobs of a study fail."""
    yield from _run_code(study, environment, is_there)
    yield from _judges(study, environment, is_there)
    yield from _engines(study, environment)


def _run_code(
    study: Study, environment: Mapping[str, str], is_there: Callable[[str], bool]
) -> Iterator[Prerequisite]:
    """Give the consent of tasks whose metric runs what a model wrote."""
    allowed = names_of(RUN_CODE, environment)
    suites, needed = {}, []
    for suite, spec in study.suites.items():
        tasks = [name for name in spec.tasks if _runs_code(study, spec, name)]
        if tasks:
            suites[suite] = tasks
        if not allowed.issuperset(tasks):
            needed += suite_results(study, suite)
    if not suites:
        return
    names = list(dict.fromkeys(name for tasks in suites.values() for name in tasks))
    state: State = "met" if allowed.issuperset(names) else "done"
    remedy = ""
    if not all(map(is_there, needed)):
        state = "missing"
        remedy = (
            f"If you want that set {RUN_CODE}={','.join(names)}, else take them out of"
            " the suite's tasks"
        )
    says = (
        f"{','.join(names)}: scoring runs Python code that models wrote, in a sandbox"
        " where one works, else as you (docs/add_a_benchmark.md)"
    )
    asked = tuple(f"benchmarks.{suite}.tasks" for suite in suites)
    yield Prerequisite("consent", RUN_CODE, says, asked, state, remedy)


def _runs_code(study: Study, suite: BenchmarkSpec, task: str) -> bool:
    """Say whether scoring a task runs code, as far as its name tells.

    A name of a suite with task files of a source may be one of those, which only the
    job reads; it asks then.
    """
    if task in study.config.tasks:
        return study.config.tasks[task].runs_code
    return suite.task_source is None and task.startswith(CODING)


def _judges(
    study: Study, environment: Mapping[str, str], is_there: Callable[[str], bool]
) -> Iterator[Prerequisite]:
    """Give the address and the key of every endpoint that a judge asks."""
    endpoints = {n: j.endpoint for n, j in study.judges.items() if j.endpoint}
    for place, look in (("address", _address), ("key", _key)):
        asked: dict[str, list[str]] = {}
        for name, endpoint in endpoints.items():
            asked.setdefault(getattr(endpoint, place), []).append(name)
        for variable, judges in asked.items():
            says, state, remedy = look(environment.get(variable, "").strip())
            needed = (file for judge in judges for file in judged_by(study, judge))
            if state != "met" and all(map(is_there, needed)):
                state, remedy = "done", ""
            keys = tuple(f"judges.{judge}.endpoint" for judge in judges)
            yield Prerequisite("variable", variable, says, keys, state, remedy)


def _address(value: str) -> tuple[str, State, str]:
    """Say what a variable with an address is, its state and a remedy.

    Its value may be private.
    """
    says, fault = "the base URL of the endpoint that judges", "is not set"
    try:
        if value and plain_address(value.rstrip("/")):
            return says, "met", ""
    except ValueError as error:
        fault = str(error)
    return says, "missing", f"It {fault}; set it to an address such as https://host/v1"


def _key(value: str) -> tuple[str, State, str]:
    """Say the same of a key, which not every endpoint asks for."""
    says = "the key of that endpoint"
    if not (value.isascii() and value.isprintable()):
        remedy = "It cannot stand in a request's header; set it to the key alone"
        return says, "missing", remedy
    if value:
        return says, "met", ""
    return f"{says}: not set, which is right where it asks for none", "open", ""


def _engines(study: Study, environment: Mapping[str, str]) -> Iterator[Prerequisite]:
    """Give vLLM's command, and servers that run already: only jobs can reach those."""
    entry = study.config.study
    engines = {
        f"engines.{base}" if base in entry.engines else "engine": study.engine(base)
        for base in study.bases
    }
    if any(judge.method == "model" for judge in study.judges.values()):
        engines["engine"] = entry.engine
    vllm = tuple(key for key, spec in engines.items() if spec.kind == "vllm")
    if vllm:
        name = environment.get(VLLM, "vllm")
        here = shutil.which(name, path=environment.get("PATH")) is not None
        says = "names vLLM's command" + (
            "" if here else f"; no {name!r} on this machine"
        )
        yield Prerequisite("program", VLLM, says, vllm, "met" if here else "open")
    for key, spec in engines.items():
        for url in spec.address or []:
            says = f"is to run already; {ENGINE_KEY} holds its key if it asks for one"
            yield Prerequisite("server", url, says, (key,), "open")
