"""Judges: their models, what they are measured on, what they say side by side."""

from itertools import combinations

from safegrid.config.labels import GUARD
from safegrid.config.training import NONE
from safegrid.study import Study
from safegrid.study.grid import Cell, Model
from safegrid.study.sources import raw, raw_files


def by_base(study: Study, judge: str) -> bool:
    """Say whether a judge's model is the base whose answers it judges."""
    return study.config.judges[judge].kind == "fluency"


def base_read(study: Study, judge: str, base: str) -> str:
    """Return the base whose model judges fluency; empty for other judges."""
    return base if by_base(study, judge) else ""


def stack(study: Study, judge: str, base: str = "") -> list[str]:
    """Return the folders of a judge's model; the base for fluency, none without one.

    Of a text head its file, and its encoder's folder. Of a judge that the study
    trains itself, the model of its first seed, so that one model judges all.
    """
    entry = study.config.judges[judge]
    if entry.method == "text_head":
        return [head(study, judge), *encoder(study, judge)]
    if entry.method != "model":
        return []
    if by_base(study, judge):
        return study.stack(Model(base, NONE, 0))
    if entry.recipe is None:
        return [f"results/judges/{judge}"]
    own = study.recipe(entry.recipe).base or base or study.bases[0]
    return study.stack(Model(own, entry.recipe, study.seeds(entry.recipe)[0]))


def engine(study: Study, judge: str, base: str = "") -> str:
    """Return the engine of a judge's model; of a text head's encoder our own."""
    spec = study.engine(base_read(study, judge, base))
    if study.config.judges[judge].method == "text_head":
        spec = spec.of_encoders()
    return spec.model_dump_json()


def priority(study: Study, judge: str) -> int:
    """Return how early a judge's jobs are done: one judge after another.

    So the engine of one serves all of its cells before the next one's is started.
    """
    return -list(study.config.judges).index(judge) - 1


def kinds(study: Study, benchmark: str) -> dict[str, str]:
    """Return the judges of a benchmark with their kinds, in the order of their files.

    A judge of kind `reference` goes by what it compares, which is what it measures.
    """
    names = study.config.benchmarks[benchmark].judges
    judges = {name: study.config.judges[name] for name in names}
    return {name: judge.compare or judge.kind for name, judge in judges.items()}


def verdicts_file(study: Study, judge: str) -> list[str]:
    """Return the file of a judge's verdicts from elsewhere; empty for all others."""
    entry = study.config.judges[judge]
    if entry.method != "file":
        return []
    return [raw(study, str(entry.verdicts_source), str(entry.verdicts_file))]


# ---------------------------------------------------------------- measured


def validated(study: Study) -> list[str]:
    """Return the judges of the study that have labelled rows to be measured on.

    A judge of fluency has its own measure, see `calibrated`.
    """
    judges = [name for name, entry in study.judges.items() if entry.labelled_source]
    return [name for name in judges if not by_base(study, name)]


def calibrated(study: Study) -> list[tuple[str, str]]:
    """Return the judges of fluency, each with every base whose answers it judges."""
    judges = [name for name in study.judges if by_base(study, name)]
    return [(name, base) for name in judges for base in study.bases]


def calibration(study: Study, judge: str, base: str) -> list[str]:
    """Return the file of a judge's threshold under a base; empty for other judges."""
    if not by_base(study, judge):
        return []
    return [f"{study.root}/calibrated/{judge}/{base}.json"]


def labelled(study: Study, judge: str) -> list[str]:
    """Return the labelled rows that a judge is measured, or calibrated, on, if any."""
    entry = study.config.judges[judge]
    if entry.labelled_source is None:
        return []
    return [raw(study, entry.labelled_source, str(entry.labelled_file))]


def labelled_format(study: Study, judge: str) -> str:
    """Return the format of those rows; empty of a judge that has none."""
    source = study.config.judges[judge].labelled_source
    return study.config.sources[source].format if source else ""


# ---------------------------------------------------------------- heads


def heads(study: Study) -> list[str]:
    """Return the judges of the study that are trained as text heads."""
    return [name for name, judge in study.judges.items() if judge.method == "text_head"]


def head(study: Study, judge: str) -> str:
    """Return the file of a text head: its weights and its validation."""
    return f"{study.root}/heads/{judge}.json"


def encoder(study: Study, judge: str) -> list[str]:
    """Return the folder of a text head's encoder; empty where it reads no vectors."""
    name = study.config.judges[judge].encoder
    return [] if name is None else [f"results/encoders/{name}"]


def head_rows(study: Study, judge: str) -> list[str]:
    """Return the files of labelled rows that a text head is trained on."""
    return raw_files(study, study.config.judges[judge].trained_on)


def head_formats(study: Study, judge: str) -> list[str]:
    """Return the formats of those files."""
    parts = study.config.judges[judge].trained_on
    return [study.config.sources[part.source].format for part in parts]


# ---------------------------------------------------------------- on a study's answers

STRESSED = ("guard", "toxicity", "refusal")
"""The kinds that say one of a few words of an answer as it stands."""
ASKABLE = ("model", "rules", "text_head")
"""How they are asked without paying, and again."""


def stressed(study: Study) -> list[str]:
    """Return the judges of benchmarks that are asked again on changed answers."""
    if not study.config.study.stress_answers:
        return []
    return [
        name
        for name, judge in study.judges.items()
        if judge.kind in STRESSED
        and judge.method in ASKABLE
        and benchmarks(study, name)
    ]


def benchmarks(study: Study, judge: str) -> list[str]:
    """Return the benchmarks that a judge judges."""
    return [name for name, spec in study.prompted.items() if judge in spec.judges]


def cells(study: Study, judge: str) -> list[Cell]:
    """Return the cells of these benchmarks."""
    return list(study.cells(benchmarks(study, judge)))


def pairs(study: Study) -> list[tuple[str, str]]:
    """Return every two guards or judges of refusals of one benchmark, by name."""
    kinds = [
        {name for name, judge in study.judges.items() if judge.kind == kind}
        for kind in ("guard", "refusal")
    ]
    asked = [
        sorted(kind.intersection(spec.judges))
        for kind in kinds
        for spec in study.asked.values()
    ]
    return sorted({pair for judges in asked for pair in combinations(judges, 2)})


def positive(study: Study, judge: str) -> str:
    """Return the label that such a judge looks for."""
    entry = study.config.judges[judge]
    return GUARD[1] if entry.kind == "guard" else entry.positive


def verdicts_beside(study: Study, judge: str, second: str) -> list[str]:
    """Return the verdicts of one judge on all that another judges too."""
    return [
        f"{study.root}/verdicts/{judge}/{cell.path}.parquet"
        for cell in study.prompted_cells
        if {judge, second} <= set(study.asked[cell.benchmark].judges)
    ]
