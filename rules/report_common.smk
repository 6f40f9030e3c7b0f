"""What the rules of the report share: its pages, and what notebooks are handed."""

from types import SimpleNamespace

import yaml

# Of a page what pages.yaml leaves out.
NOTHING = {"tables": [], "figures": [], "folder": "tables", "files": []}
NOTHING |= {"paper": None, "axis": None, "caption": None}
AXES = axes.axes(STUDY)
# The pages that this study has, by their rules.
PAGES = {
    name: SimpleNamespace(rule=name, **{**NOTHING, **entry})
    for name, entry in yaml.safe_load(
        (BASEDIR / "rules/pages.yaml").read_text()
    ).items()
    if entry.get("paper", STUDY.config.study.paper) == STUDY.config.study.paper
    if "axis" not in entry or AXES[entry["axis"]]
}
PUBLISHED = BASEDIR / f"config/published/{STUDY.config.study.paper}.csv"
# As a param it must not say where the repository lies: a pod's is elsewhere.
AT_HOME = {
    "published": f"${HOME}/{PUBLISHED.relative_to(BASEDIR)}",
    "config": f"${HOME}/config",
}
# What every notebook's code reads: names, titles and notes, and the look of figures.
DATA = ["src/safegrid/report/words.yaml", "src/safegrid/report/style.mplstyle"]
STATUS_PAGE = BASEDIR / "src/safegrid/report/status.html.jinja"


def notebook_values(page):
    """Return a params function: `name=path` for the parameters of a page's notebook.

    Inputs are read where the job finds them, tables and figures are written where it
    puts them: a bucket's files have another place than the repository's.
    """
    if page.folder == "cost":  # It asks the whole study.
        names = ["study", "config", "root", "cost"]
    else:
        names = [*page.inputs, *(["published"] if page.paper else [])]
        names += ["axis"] if page.axis else []
        names += [kind for kind in ("tables", "figures") if getattr(page, kind)]

    def values(wildcards, input, output):
        folders = [os.path.dirname(file) for file in output]
        written = {os.path.basename(folder): folder for folder in folders}
        # The folder with `results`, for a notebook that asks the whole study.
        root = folders[0].rpartition("results/")[0] or "."
        # A parameter is one text: several files stand in it with spaces between.
        given = {k: f if isinstance(f, str) else " ".join(f) for k, f in input.items()}
        paths = {**written, **AT_HOME, "study": STUDY.name, "root": root, **given}
        paths["axis"] = json.dumps(AXES.get(page.axis))
        return [f"{name}={paths[name]}" for name in names]

    return values


def notebook_code(page):
    """Hash what a page depends on beside its inputs: notebook, code, other files."""
    files = [f"notebooks/{page.notebook}.ipynb", *DATA, *page.files]
    files = [BASEDIR / file for file in files] + ([PUBLISHED] if page.paper else [])
    modules = [f"safegrid.report.{name}" for name in page.code]
    return code_hash(*modules, files=tuple(files))


def table_files(page):
    """Return the outputs of a page's tables."""
    kinds = ("csv", "md", "tex")
    folder = f"results/{{study}}/{page.folder}"
    return [f"{folder}/{name}.{kind}" for name in page.tables for kind in kinds]


def figure_files(names):
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


def page_file(page):
    """Return the output of a notebook's page, in the report where it has a caption."""
    file = f"results/{{study}}/notebooks/{page.notebook}.html"
    caption = f"../docs/captions/{page.caption}.rst"
    kind = page.folder.capitalize()
    return report(file, category=kind, caption=caption) if page.caption else file


def all_tables(wildcards):
    return [
        f"results/{STUDY.name}/tables/{name}.csv"
        for page in PAGES.values()
        for name in page.tables
        if page.folder == "tables"
    ]


def all_figures(wildcards):
    return [
        f"results/{STUDY.name}/figures/{name}.svg"
        for page in PAGES.values()
        for name in page.figures
    ]


def partial_scores(wildcards):
    """All scores, there or not, of a study whose results lie on this disk."""
    if IN_BUCKET:
        raise WorkflowError(
            "report_partial reads results/ in this folder, and they lie in a bucket:"
            " copy its results/ here, then ask again without the cloud's profile"
            " (docs/run_in_a_cloud.md)"
        )
    return gathered.all_scores(STUDY)
