"""A study's own token histograms where its files are there, else what is assumed."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from safegrid.config.calibration import MOST_TEXTS
from safegrid.config.cost import Assumed, FileAssumed, TaskAssumed
from safegrid.config.generated import CorrectionsSpec
from safegrid.config.parts import PartSpec
from safegrid.config.prefill import PrefillSpec
from safegrid.config.prompt import PromptSpec
from safegrid.config.source import INSTRUCTION_FORMATS
from safegrid.config.training import NONE
from safegrid.core.seals import fault_of
from safegrid.cost import corrections
from safegrid.cost.files import AssumedFiles, UnknownError, answer_of, assumed_from
from safegrid.cost.tokens import Tokens, assume, count, merge
from safegrid.study import Study
from safegrid.study.grid import Cell, Model

# Of English, in the vocabularies of large models.
TOKENS_A_WORD = 4 / 3


class Pairs(NamedTuple):
    """A dataset's sequences, prompt and answer together; instructions have one each."""

    chosen: Tokens
    both: Tokens


class Data:
    """Lengths in tokens of what a study reads and writes.

    Attributes:
        root: the folder with `results/`.
    """

    def __init__(self, study: Study, assumed: Assumed, root: Path = Path()) -> None:
        self.study = study
        self.assumed = assumed
        self.root = root
        self._files = AssumedFiles(assumed)
        # Asked for every cell, read once.
        self.pairs = cache(self._pairs)
        self.prompts = cache(self._prompts)
        self.answers = cache(self._answers)

    def _pairs(self, model: Model) -> Pairs:
        """Return the sequences that a model is trained on, in its base's tokens.

        Raises:
            UnknownError: they are neither measured nor assumed.
        """
        path = self.root / self.study.pairs(model)
        if fault_of(path) is None:
            chosen, *rejected = _pair_lengths(path, self._named(path))
            return Pairs(chosen, merge([chosen, *rejected]))
        dataset = self.study.recipe(model.recipe).dataset
        if dataset in self.study.corrected:
            return self._corrected(dataset)
        spec = self.study.config.study.datasets[dataset]
        if dataset in self.study.generated:
            own = self._made(model, dataset)
            pairs = self.study.rejected_by_model.get(dataset)
            if pairs is None:
                return Pairs(own, own)
            chosen = self._files.sequences(pairs.chosen, longest=spec.max_length)
            return Pairs(chosen, merge([chosen, own]))
        one = self._files.sequences(spec.rows_from, spec.limit, spec.max_length)
        answers = self.study.config.sources[spec.rows_from[0].source].format
        single = answers in INSTRUCTION_FORMATS
        return Pairs(one, one if single else merge([one, one]))

    def _made(self, model: Model, dataset: str) -> Tokens:
        """Return what a model makes: to each prompt one answer as long as it may be."""
        maker = self.study.maker(dataset, model.base, model.seed)
        prompts = self.prompts(model.base, dataset)
        answers = self.answers(Cell(maker, dataset))
        return prompts.shifted(round(answers.mean))

    def _corrected(self, dataset: str) -> Pairs:
        """Return the pairs of a model's corrections of itself, as assumed."""
        spec = self.study.corrected[dataset]
        longest = self.study.config.study.datasets[dataset].max_length
        found, source = self._broken(spec)
        template = self.assumed.template
        chosen, rejected = corrections.pairs(found, spec, template, source, longest)
        return Pairs(chosen, merge([chosen, rejected]))

    def _broken(self, spec: CorrectionsSpec) -> tuple[FileAssumed, str]:
        """Return what is assumed of the requests that a model corrects itself on."""
        asked = spec.requests
        found = self._files.file(asked.source, asked.file)
        answer_of(found, asked.source, asked.file)
        return found, assumed_from(asked.source, asked.file, found.why)

    def _prompts(self, base: str, benchmark: str) -> Tokens:
        """Return the prompts of a benchmark in a base's tokens, template included.

        Raises:
            UnknownError: they are neither measured nor assumed.
        """
        folder = self.root / f"{self.study.root}/ids"
        for name in dict.fromkeys([base, *self.study.bases]):
            path = folder / name / f"{benchmark}.parquet"
            if fault_of(path) is None:
                other = "" if name == base else f" in place of {base}'s"
                source = f"lengths measured: {self._named(path)}{other}"
                return count(_list_lengths(path, "ids"), source)
        made = self.study.corrected.get(benchmark.partition("/")[0])
        if made is not None:
            known, said = self._broken(made)
            return corrections.prompts(known, made, self.assumed.template, said)
        if benchmark in self.study.rejected_by_model:
            parts = self.study.rejected_by_model[benchmark].chosen
            return self._files.prompts(parts)
        spec = self.study.prompt_spec(benchmark)
        found = self._files.file(spec.source, spec.file)
        source = assumed_from(spec.source, spec.file, found.why)
        rows = min(found.rows, spec.limit or found.rows)
        ks = _beginnings(spec)
        begun = round(TOKENS_A_WORD * sum(ks) / len(ks))
        asked = assume(found.prompt, rows * len(ks), source)
        return asked.shifted(self.assumed.template + begun)

    def references(self, base: str, benchmark: str) -> Tokens:
        """Return the prompts of a benchmark with their known answers, as sequences.

        Measured on what the base, untouched, read.

        Raises:
            UnknownError: they are neither measured nor assumed.
        """
        cell = Cell(Model(base, NONE, 0), benchmark)
        path = self.root / self.study.answers(cell)
        if fault_of(path) is None:
            prompts, answers = (
                _numbers(path, name) for name in ("n_prompt_tokens", "n_tokens")
            )
            whole = [a + b for a, b in zip(prompts, answers, strict=True)]
            return count(whole, f"lengths measured: {self._named(path)}")
        spec = self.study.prompt_spec(benchmark)
        part = PartSpec(source=spec.source, file=spec.file, limit=spec.limit)
        return self._files.sequences([part])

    def _answers(self, cell: Cell) -> Tokens:
        """Return the answers of a cell.

        Measured on its own responses, else on those of its base untouched, else as long
        as they may be.

        Raises:
            UnknownError: the number of prompts is neither measured nor assumed.
        """
        untouched = Cell(Model(cell.model.base, "none", 0), cell.benchmark)
        for known in dict.fromkeys([cell, untouched]):
            path = self.root / self.study.responses(known)
            if fault_of(path) is None:
                other = "" if known == cell else " in place of models that have none"
                source = f"lengths measured: {self._named(path)}{other}"
                return count(_numbers(path, "n_tokens"), source)
        decode = self.study.asked[cell.benchmark].decode
        assert decode is not None, "prompted benchmarks are decoded (checked on load)"
        rows = self.prompts(cell.model.base, cell.benchmark).rows * decode.samples
        source = "answers assumed to be as long as max_new_tokens allows, at most"
        return Tokens((decode.max_new_tokens,), (rows,), source, False)

    def labelled(self, judge: str) -> tuple[Tokens, Tokens]:
        """Return requests and answers of the rows that a judge is validated on.

        Raises:
            UnknownError: they are not assumed.
        """
        entry = self.study.config.judges[judge]
        source, file = str(entry.labelled_source), str(entry.labelled_file)
        found = self._files.file(source, file)
        said = assumed_from(source, file, found.why)
        answer = answer_of(found, source, file)
        return assume(found.prompt, found.rows, said), assume(answer, found.rows, said)

    def fluent_texts(self, judge: str) -> Tokens:
        """Return the texts that a judge of fluency is calibrated on.

        They are taken for as long as they are, those of datasets as their whole rows:
        more than is read.

        Raises:
            UnknownError: they are not assumed.
        """
        datasets = [self.study.config.study.datasets[n] for n in self.study.prepared]
        parts = [part for dataset in datasets for part in dataset.rows_from]
        kinds = [self._files.sequences(parts)] if parts else []
        if self.study.refusals(judge):
            kinds.append(self.labelled(judge)[1])
        return merge([_at_most(kind, MOST_TEXTS) for kind in kinds])

    def task(self, name: str, limit: int | None) -> tuple[TaskAssumed, Tokens]:
        """Return what is assumed of a task, and the lengths of its prompts.

        Raises:
            UnknownError: nothing is assumed.
        """
        found = self.assumed.tasks.get(name)
        if found is None:
            raise UnknownError(
                f"nothing is known of task {name}: say under `tasks` of"
                " assumptions.yaml what to assume"
            )
        rows = min(found.rows, limit or found.rows)
        return found, assume(found.prompt, rows, assumed_from("task", name, found.why))

    def _named(self, path: Path) -> str:
        return str(path.relative_to(self.root))


def _at_most(texts: Tokens, rows: int) -> Tokens:
    """Return so many texts of their mean length, or all of them."""
    if texts.rows <= rows:
        return texts
    return Tokens((round(texts.mean),), (rows,), texts.source, texts.measured)


def _beginnings(spec: PromptSpec) -> list[int]:
    """Return the words of the prefills that each row is asked with."""
    if spec.kind != "c2_eval":
        return [0]
    return (spec.prefills or PrefillSpec()).ks


def _pair_lengths(path: Path, name: str) -> Iterator[Tokens]:
    prompts = _list_lengths(path, "prompt_ids")
    for side in ("chosen_ids", "rejected_ids"):
        answers = _list_lengths(path, side)
        sums = [a + b for a, b in zip(prompts, answers, strict=True) if b is not None]
        if sums:
            yield count(sums, f"lengths measured: {name}")


def _list_lengths(path: Path, column: str) -> list[int]:
    import polars as pl

    lengths = (
        pl.scan_parquet(path, glob=False).select(pl.col(column).list.len()).collect()
    )
    return lengths[column].to_list()


def _numbers(path: Path, column: str) -> list[int]:
    import polars as pl

    return pl.scan_parquet(path, glob=False).select(column).collect()[column].to_list()
