"""A study's own token histograms where its files are there, else what is assumed."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from safegrid.config.cost import Assumed, TaskAssumed
from safegrid.config.judge import MOST_TEXTS
from safegrid.config.prompt import PrefillSpec, PromptSpec
from safegrid.config.source import INSTRUCTION_FORMATS, PartSpec
from safegrid.config.training import NONE
from safegrid.core.seals import fault_of
from safegrid.cost.assumed_files import AssumedFiles, said
from safegrid.cost.tokens import Pairs, Tokens, UnknownError, assume, count, merge
from safegrid.engine.prefixes import common_length
from safegrid.study import Study, cells, trainings
from safegrid.study.grid import Cell, Model

# Of English, in the vocabularies of large models.
TOKENS_A_WORD = 4 / 3


class Data:
    """Lengths in tokens of what a study reads and writes.

    Every method raises UnknownError where they are neither measured nor assumed.
    `results/` lies in the folder `root`.
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
        path = self.root / trainings.pairs(self.study, model)
        if fault_of(path) is None:
            prompts = _lengths(path, "prompt_ids")
            first, second = (_lengths(path, f"{s}_ids") for s in ("chosen", "rejected"))
            whole = _sums(prompts, first)
            chosen = self._measured(path, whole)
            # Instructions have no rejected answer.
            if not any(second):
                return Pairs(chosen, chosen, chosen)
            rejected = self._measured(path, _sums(prompts, second))
            rows = self._measured(path, _sums(whole, second))
            return Pairs(chosen, merge([chosen, rejected]), rows)
        dataset = self.study.recipe(model.recipe).dataset
        spec = self.study.config.study.datasets[dataset]
        longest = spec.max_length
        if dataset in self.study.corrected:
            corrections = self.study.corrected[dataset]
            chosen, worse = self._files.correction_pairs(corrections, longest)
            asked, _, _ = self._files.labelled(
                corrections.requests.source, corrections.requests.file
            )
            beside = round(worse.mean - asked.prompt.mean - self.assumed.template)
            return Pairs(chosen, merge([chosen, worse]), chosen.shifted(beside))
        if dataset in self.study.generated:
            own = self._generated(model, dataset)
            pairs = self.study.rejected_by_model.get(dataset)
            if pairs is None:
                return Pairs(own, own, own)
            chosen = self._files.sequences(pairs.chosen, longest=longest)
            maker = self.study.maker(dataset, model.base, model.seed)
            beside = round(self.answers(Cell(maker, dataset)).mean)
            return Pairs(chosen, merge([chosen, own]), chosen.shifted(beside))
        parts, limit = spec.rows_from, spec.limit
        one = self._files.sequences(parts, limit, longest)
        if self.study.config.sources[parts[0].source].format in INSTRUCTION_FORMATS:
            return Pairs(one, one, one)
        rows = self._files.sequences(parts, limit, longest, answers=2)
        return Pairs(one, merge([one, one]), rows)

    def _generated(self, model: Model, dataset: str) -> Tokens:
        """Return what a model makes: to each prompt one answer as long as it may be."""
        maker = self.study.maker(dataset, model.base, model.seed)
        answers = self.answers(Cell(maker, dataset))
        return self.prompts(model.base, dataset).shifted(round(answers.mean))

    def _prompts(self, base: str, benchmark: str) -> Tokens:
        """Return the prompts of a benchmark in a base's tokens, template included."""
        folder = self.root / self.study.root / "ids"
        for name in dict.fromkeys([base, *self.study.bases]):
            path = folder / name / f"{benchmark}.parquet"
            if fault_of(path) is None:
                other = "" if name == base else f" in place of {base}'s"
                ids = _column(path, "ids")
                found = self._measured(path, map(len, ids), other)
                return replace(found, shared=common_length(ids))
        corrections = self.study.corrected.get(benchmark.partition("/")[0])
        if corrections is not None:
            return self._files.correction_prompts(corrections)
        if benchmark in self.study.rejected_by_model:
            parts = self.study.rejected_by_model[benchmark].chosen
            return merge([self._files.prompts(part) for part in parts])
        spec = self.study.with_prompts[benchmark]
        # C2-Eval asks each row with several prefills, of so many words.
        words = (spec.prefills or PrefillSpec()).ks if spec.kind == "c2_eval" else [0]
        prefill = round(TOKENS_A_WORD * sum(words) / len(words))
        return self._files.prompts(_part(spec), len(words)).shifted(prefill)

    def references(self, base: str, benchmark: str) -> Tokens:
        """Return the prompts of a benchmark with their known answers, as sequences.

        Measured on what the base, untouched, read.
        """
        path = self.root / cells.answers(
            self.study, Cell(Model(base, NONE, 0), benchmark)
        )
        if fault_of(path) is None:
            prompts, answers = (
                _column(path, name) for name in ("n_prompt_tokens", "n_tokens")
            )
            return self._measured(path, _sums(prompts, answers))
        return self._files.sequences([_part(self.study.with_prompts[benchmark])])

    def _answers(self, cell: Cell) -> Tokens:
        """Return a cell's answers, those of its base, or as long as they may be."""
        for known in dict.fromkeys([cell, cell.untouched]):
            path = self.root / cells.answers(self.study, known)
            if fault_of(path) is None:
                other = "" if known == cell else " in place of models that have none"
                return self._measured(path, _column(path, "n_tokens"), other)
        decode = self.study.asked[cell.benchmark].decode
        assert decode is not None, "prompted benchmarks are decoded (checked on load)"
        rows = self.prompts(cell.model.base, cell.benchmark).rows * decode.samples
        source = "answers assumed to be as long as max_new_tokens allows, at most"
        return Tokens.alike(decode.max_new_tokens, rows, source)

    def asked(self, cell: Cell) -> tuple[Tokens, Tokens]:
        """Return the prompts of a cell, and its answers."""
        return self.prompts(cell.model.base, cell.benchmark), self.answers(cell)

    def labelled(self, judge: str) -> tuple[Tokens, Tokens]:
        """Return requests and answers of the rows that a judge is validated on."""
        entry = self.study.config.judges[judge]
        found, answer, why = self._files.labelled(
            str(entry.labelled_source), str(entry.labelled_file)
        )
        return assume(found.prompt, found.rows, why), assume(answer, found.rows, why)

    def judged(self, judge: str, prompts: Tokens, answers: Tokens) -> Tokens:
        """Return what a judge reads: answers, with what stands beside them.

        A guard reads prompt and response in its template, a correction judge in its
        question, a judge of scores prompt and answer, a classifier the answer alone,
        fluency the answer in a template without a request. Entailment reads the
        reference with each sentence of the answer; it is taken for as long as the
        prompt, once.
        """
        kind = self.study.config.judges[judge].kind
        beside = prompts.mean
        if kind in ("guard", "correction"):
            beside += self.assumed.guard
        elif kind == "fluency":
            beside = self.assumed.template
        elif kind in ("toxicity", "refusal"):
            beside = 0.0
        return answers.shifted(round(beside))

    def fluent_texts(self, judge: str) -> Tokens:
        """Return the texts that a judge of fluency is calibrated on.

        Those of datasets are their whole rows: more than is read.
        """
        datasets = [self.study.config.study.datasets[n] for n in self.study.prepared]
        parts = [part for dataset in datasets for part in dataset.rows_from]
        kinds = [self._files.sequences(parts)] if parts else []
        if self.study.config.judges[judge].labelled_source:
            kinds.append(self.labelled(judge)[1])
        # Of many texts so many of their mean length.
        most = [
            kind
            if kind.rows <= MOST_TEXTS
            else Tokens((round(kind.mean),), (MOST_TEXTS,), kind.source, kind.measured)
            for kind in kinds
        ]
        return merge(most)

    def task(self, name: str, limit: int | None) -> tuple[TaskAssumed, Tokens]:
        """Return what is assumed of a task, and the lengths of its prompts."""
        found = self.assumed.tasks.get(name)
        if found is None:
            raise UnknownError(
                f"nothing is known of task {name}: say under `tasks` of"
                " assumptions.yaml what to assume"
            )
        rows = min(found.rows, limit or found.rows)
        return found, assume(found.prompt, rows, said(found.why, f"task {name}"))

    def _measured(self, path: Path, lengths: Iterable[int], other: str = "") -> Tokens:
        name = path.relative_to(self.root)
        return count(lengths, f"lengths measured: {name}{other}")


def _part(spec: PromptSpec) -> PartSpec:
    return PartSpec(source=spec.source, file=spec.file, limit=spec.limit)


def _sums(ones: Iterable[int], others: Iterable[int | None]) -> list[int]:
    """Add lengths row by row, where both are there."""
    pairs = zip(ones, others, strict=True)
    return [one + other for one, other in pairs if other is not None]


def _lengths(path: Path, column: str) -> list[int]:
    """Return the length of each list of a column; None where there is no list."""
    import polars as pl

    lengths = pl.scan_parquet(path, glob=False).select(pl.col(column).list.len())
    return lengths.collect()[column].to_list()


def _column(path: Path, column: str) -> list[Any]:
    import polars as pl

    return pl.scan_parquet(path, glob=False).select(column).collect()[column].to_list()
