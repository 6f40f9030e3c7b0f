"""Files that are gathered from every model, dataset or cell of a study."""

from safegrid.config.benchmark import GLOBAL
from safegrid.config.training import NONE
from safegrid.study import Study, compared, judges
from safegrid.study import lines as training_lines
from safegrid.study.cells import all_answers, cell_manifests, prompts, scores
from safegrid.study.grid import Model
from safegrid.study.trainings import dataset_file, pairs, rows_name

# ---------------------------------------------------------------- rows


def all_datasets(study: Study) -> list[str]:
    """Return every dataset that is prepared from files."""
    return [f"{study.root}/datasets/{name}.parquet" for name in study.prepared]


def all_pairs(study: Study) -> list[str]:
    """Return every file of rows as ids that a model is trained on."""
    return list(dict.fromkeys(pairs(study, model) for model in study.trained))


def all_counted(study: Study) -> list[str]:
    """Return every table whose manifest counts what its stage dropped and why."""
    made = {
        dataset_file(study, model.base, rows_name(study, model))
        for model in study.trained
        if study.recipe(model.recipe).dataset in study.generated
    }
    return [
        *all_datasets(study),
        *sorted(made),
        *prompts(study, [*study.with_overlap, *study.generated]),
        *all_pairs(study),
    ]


def all_lengths(study: Study) -> list[str]:
    """Return what a plan's lengths are counted on: pairs, prompts, answers."""
    ids = [
        f"{study.root}/ids/{base}/{name}.parquet"
        for base in study.bases
        for name in study.prompted
    ]
    asked = (*study.cells(study.prompted), *study.cells(study.likelihoods))
    return [*all_pairs(study), *ids, *all_answers(study, asked)]


# ---------------------------------------------------------------- models, cells


def all_models(study: Study) -> list[str]:
    """Return the folders of all models that are trained, doses among them."""
    ends = study.trained
    return [study.model_dir(m) for end in ends for m in [*study.doses(end), end]]


def all_bases(study: Study) -> list[str]:
    """Return the folders of the bases that the study trains."""
    return [study.model_dir(Model(base, NONE, 0)) for base in study.config.study.bases]


def all_trainings(study: Study) -> list[str]:
    """Return the folders in which all trainings end."""
    return [study.model_dir(model) for model in study.trained]


def all_cell_manifests(study: Study) -> list[str]:
    """Return the files in which the answers and the verdicts of all models end."""
    return [file for model in study.models for file in cell_manifests(study, model)]


def base_answers(study: Study) -> list[str]:
    """Return what every base, untouched, gave to every benchmark."""
    bases = [Model(base, NONE, 0) for base in study.config.study.bases]
    cells = [cell for base in bases for cell in base.on(study.config.benchmarks)]
    return all_answers(study, cells)


def all_scores(study: Study) -> list[str]:
    """Return every score file that the study's tables gather."""
    cells = list(study.cells(study.config.benchmarks))
    if len(study.safety) > 1:
        cells += study.cells([GLOBAL])
    return [scores(study, cell) for cell in cells]


def all_seeds(study: Study) -> list[str]:
    """Return the scores over seeds of every model that has several."""
    named = compared.seeded(study)
    return [
        f"{study.root}/scores/{base}/{recipe}/seeds.parquet" for base, recipe in named
    ]


def all_derived(study: Study) -> list[str]:
    """Return the scores that are made of others: over seeds, and corrected."""
    return [*all_seeds(study), f"{study.root}/corrected.parquet"]


def all_lines(study: Study) -> list[str]:
    """Return the line of every training."""
    ends = training_lines.trainings(study)
    return [f"{study.root}/frontier/{base}/{recipe}.parquet" for base, recipe in ends]


def all_comparisons(study: Study) -> list[str]:
    """Return the comparisons of the methods on every base that has several."""
    return [
        f"{study.root}/comparisons/{base}.parquet" for base in compared.bases(study)
    ]


# ---------------------------------------------------------------- judges


def all_validated(study: Study) -> list[str]:
    """Return how good the judges are, and how far each two of one kind agree."""
    pairs = judges.pairs(study)
    return [
        *(f"{study.root}/validated/{name}.json" for name in judges.validated(study)),
        *(f"{study.root}/calibrated/{j}/{b}.json" for j, b in judges.calibrated(study)),
        *(judges.head(study, name) for name in judges.heads(study)),
        *(f"{study.root}/agreement/{one}/{two}.json" for one, two in pairs),
    ]


def all_stressed(study: Study) -> list[str]:
    """Return how many verdicts of each judge flip on changed answers."""
    return [f"{study.root}/stress/{name}.parquet" for name in judges.stressed(study)]


def all_rates(study: Study) -> list[str]:
    """Return what judges of guard and refusal get right on labelled rows."""
    measured = {
        name: f"{study.root}/validated/{name}.json" for name in judges.validated(study)
    }
    measured |= {name: judges.head(study, name) for name in judges.heads(study)}
    return [
        file
        for name, file in measured.items()
        if study.judges[name].kind in ("guard", "refusal")
    ]


def judged_by(study: Study, judge: str) -> list[str]:
    """Return all verdicts of one judge, and how good it is where that is measured."""
    measured = [f"{study.root}/validated/{judge}.json"]
    return [
        *judges.verdicts_beside(study, judge, judge),
        *(measured if judge in judges.validated(study) else ()),
    ]


# ---------------------------------------------------------------- of one name


def suite_results(study: Study, suite: str) -> list[str]:
    """Return all results of one capability suite."""
    return all_answers(study, study.cells([suite]))


def searched_by(study: Study, source: str) -> list[str]:
    """Return all answers that are searched for by the code of one source."""
    made = {
        name
        for name, spec in study.corrected.items()
        if spec.beams is not None and spec.beams.source == source
    }
    cells = [c for c in study.pool_cells if c.benchmark.partition("/")[0] in made]
    return all_answers(study, cells)
