"""What the rules of the report share: names of pages, and what notebooks are handed.

A study's paper adds to TABLES and FIGURES (`report_{number}.smk`).
"""

TABLES = (
    "main",
    "summary",
    "answers",
    "differences",
    "categories",
    "attacks",
    "judges",
    "fluency",
    "left_out",
    "agreement",
    "trainings",
    "rows",
    "overlap",
    "decontaminated",
)
# Read off the lines of trainings, and their figures.
BOUGHT = ("safety_bought", "safety_bought_second")
LINES = (
    "frontier_refused_lost",
    "frontier_refused_capability",
    "frontier_second_lost",
    "frontier_second_capability",
)
FIGURES = (
    "categories",
    "attacks",
    "trade_off_capability",
    "trade_off_over_refusal",
    "trade_off_coherent_capability",
    "trade_off_coherent_benign_lost",
    "curves_loss",
    "curves_likelihoods",
    "curves_margins",
    *LINES,
)
# Every study's; those of its paper are named in rules/report_{number}.smk.
PUBLISHED = BASEDIR / f"config/published/{STUDY.config.study.paper}.csv"
# As a param it must not say where the repository lies: a pod's is elsewhere.
AT_HOME = {
    "published": f"${HOME}/{PUBLISHED.relative_to(BASEDIR)}",
    "config": f"${HOME}/config",
}
STATUS_PAGE = BASEDIR / "src/safegrid/report/status.html.jinja"


def notebook_values(*names):
    """Return a params function: `name=path` for the parameters of a notebook.

    Inputs are read where the job finds them, tables and figures are written where it
    puts them: a bucket's files have another place than the repository's.
    """

    def values(wildcards, input, output):
        folders = [os.path.dirname(file) for file in output]
        written = {os.path.basename(folder): folder for folder in folders}
        # The folder with `results`, for a notebook that asks the whole study.
        root = folders[0].rpartition("results/")[0] or "."
        # A parameter is one text: several files stand in it with spaces between.
        given = {k: f if isinstance(f, str) else " ".join(f) for k, f in input.items()}
        paths = {**written, **AT_HOME, "study": STUDY.name, "root": root, **given}
        return [f"{name}={paths[name]}" for name in names]

    return values


def notebook_code(name, *modules, files=()):
    """Hash what a notebook's outputs depend on beside its inputs."""
    return code_hash(*modules, files=(BASEDIR / "notebooks" / name, *files))


def table_files(*names):
    """Return the outputs of a notebook's tables."""
    kinds = ("csv", "md", "tex")
    return [
        f"results/{{study}}/tables/{name}.{kind}" for name in names for kind in kinds
    ]


def figure_files(*names):
    """Return the outputs of a notebook's figures, the svg of each in the report."""
    folder = "results/{study}/figures"
    files = {}
    for name in names:
        files[name] = report(
            f"{folder}/{name}.svg",
            category="Figures",
            caption=f"../docs/captions/{name}.rst",
            labels={"figure": name.replace("_", " ")},
        )
        files[f"{name}_pdf"] = f"{folder}/{name}.pdf"
        files[f"{name}_png"] = f"{folder}/{name}.png"
    return files


def all_tables(wildcards):
    names = (*TABLES, *BOUGHT, *PAPER_TABLES)
    return [f"results/{STUDY.name}/tables/{name}.csv" for name in names]


def all_figures(wildcards):
    names = (*FIGURES, *PAPER_FIGURES)
    return [f"results/{STUDY.name}/figures/{name}.svg" for name in names]


def partial_scores(wildcards):
    """All scores, there or not, of a study whose results lie on this disk."""
    if IN_BUCKET:
        raise WorkflowError(
            "report_partial reads results/ in this folder, and they lie in a bucket:"
            " copy its results/ here, then ask again without the cloud's profile"
            " (docs/run_in_a_cloud.md)"
        )
    return gathered.all_scores(STUDY)
