"""The files of a study: which each model and cell is made of, and where it lies.

The rules ask it by their wildcards (`safegrid.study.wildcards`) for inputs and params.
Nothing here touches the disk or imports anything heavy: paths are text, relative to the
working directory, as the rules write them.
"""

from safegrid.study.lines import LineFiles
from safegrid.study.suites import SuiteFiles


class Study(LineFiles, SuiteFiles):
    """A resolved study, asked by the workflow for names, paths and params.

    Its parts have a module each. Here is what all of it comes to: the files that are
    gathered from every model, dataset or cell.
    """

    # ---------------------------------------------------------------- rows

    def all_datasets(self) -> list[str]:
        """Every dataset that is prepared from files."""
        return [f"{self.root}/datasets/{name}.parquet" for name in self.prepared]

    def all_made(self) -> list[str]:
        """Every file of rows that a model makes for another."""
        rows = (
            self.dataset(model.base, self.rows_name(model))
            for model in self.trained
            if self.recipe(model.recipe).dataset in self.generated
        )
        return sorted(set(rows))

    def pool_prompts(self) -> list[str]:
        """What models were asked so that datasets could be made: training prompts."""
        return [self.prompts(name) for name in self.generated]

    def all_pairs(self) -> list[str]:
        """Every file of rows as ids that a model is trained on."""
        return list(dict.fromkeys(map(self.pairs, self.trained)))

    def all_prompts(self) -> list[str]:
        """The prompts of every benchmark."""
        return [self.prompts(name) for name in self.with_overlap]

    def all_overlaps(self) -> list[str]:
        """What every benchmark shares with the datasets."""
        return [file for name in self.with_overlap for file in self.overlap(name)]

    def all_counted(self) -> list[str]:
        """Every table whose manifest counts what its stage dropped and why."""
        return [
            *self.all_datasets(),
            *self.all_made(),
            *self.all_prompts(),
            *self.pool_prompts(),
            *self.all_pairs(),
        ]

    def all_lengths(self) -> list[str]:
        """What a plan's lengths are counted on: pairs, prompts, answers as tokens."""
        ids = [
            f"{self.root}/ids/{base}/{name}.parquet"
            for base in self.bases
            for name in self.prompted
        ]
        answers = [*self.all_responses(), *self.all_likelihoods()]
        return [*self.all_pairs(), *ids, *answers]

    # ---------------------------------------------------------------- models, cells

    def all_models(self) -> list[str]:
        """The folders of all models that are trained, doses among them."""
        models = (model for end in self.trained for model in [*self.doses(end), end])
        return [self.model_dir(model) for model in models]

    def all_trainings(self) -> list[str]:
        """The folders in which all trainings end."""
        return [self.model_dir(model) for model in self.trained]

    def all_responses(self) -> list[str]:
        """What all models answered prompt by prompt."""
        return [self.responses(cell) for cell in self.cells(self.prompted)]

    def all_capabilities(self) -> list[str]:
        """All results of capability suites."""
        return [self.answers(cell) for cell in self.cells(self.suites)]

    def all_likelihoods(self) -> list[str]:
        """Log-probabilities of known answers under all models."""
        return [self.answers(cell) for cell in self.cells(self.likelihoods)]

    def all_verdicts(self) -> list[str]:
        """All verdicts on all models."""
        return self.verdicts_of(self.cells(self.prompted))

    def all_cell_manifests(self) -> list[str]:
        """The files in which the answers and the verdicts of all models end."""
        return [file for model in self.models for file in self.cell_manifests(model)]

    def all_validated(self) -> list[str]:
        """How good the judges are."""
        measured = [f"{self.root}/validated/{name}.json" for name in self.validated()]
        calibrated = [f for pair in self.calibrated() for f in self.calibration(*pair)]
        heads = map(self.head, self.heads)
        return [*measured, *calibrated, *heads, *self.agreements()]

    # ---------------------------------------------------------------- of one name

    def suite_results(self, suite: str) -> list[str]:
        """All results of one capability suite."""
        return [self.answers(c) for c in self.cells({suite: self.suites[suite]})]

    def judged_by(self, judge: str) -> list[str]:
        """All verdicts of one judge, and how good it is where that is measured."""
        verdicts = [
            f"{self.root}/verdicts/{judge}/{cell.path}.parquet"
            for cell in self.prompted_cells()
            if judge in self.asked[cell.benchmark].judges
        ]
        measured = [f"{self.root}/validated/{judge}.json"]
        return verdicts + measured * (judge in self.validated())

    def searched_by(self, source: str) -> list[str]:
        """All answers that are searched for by the code of one source."""
        datasets = {
            name
            for name, made in self.corrected.items()
            if made.beams is not None and made.beams.source == source
        }
        return [
            self.responses(cell)
            for cell in self.pool_cells()
            if cell.benchmark.partition("/")[0] in datasets
        ]
