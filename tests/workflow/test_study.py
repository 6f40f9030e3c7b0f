"""The study `tiny`, finished: what its user is told, what it built, showed and cost."""

import html
import json
import re
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
import yaml

from made_up_course import course_scores
from made_up_serve import serve_scores
from safegrid.config.load import load_config
from safegrid.core.artifacts import manifest, write_table
from safegrid.core.errors import ConfigError
from safegrid.core.files import read_json
from safegrid.core.records import RUNS, SCORE
from safegrid.cost.data import Data
from safegrid.cost.measured import measured_speeds
from safegrid.cost.planner import Planner
from safegrid.cost.registry import load_assumptions, load_gpus
from safegrid.report.notebook import run_notebook
from safegrid.study import Study, gathered
from safegrid.study.axes import AxisLine, AxisPoint, axes
from score_tables import fact

ROOT = Path(__file__).parents[2]
WHERE = re.compile(
    r"^tables: +(\S+)/\nfigures: +(\S+)/\nreport: +(\S+/report\.html)\n", re.MULTILINE
)
PAGES = yaml.safe_load((ROOT / "rules/pages.yaml").read_text())
# The paper of the study `tiny`, and made-up scores of studies of the others.
PAPER = "2409.07772"
NO_MANIFEST = manifest("collect", {}, {})
SCORES = {"2412.00074": serve_scores, "2407.16637": course_scores}
# Its recipes differ in their methods, and it has one base.
OURS = [
    page["notebook"]
    for page in PAGES.values()
    if page.get("paper", PAPER) == PAPER and "axis" not in page
]


# ------------------------------------------------------------------ what is told


def test_a_run_begins_with_what_it_will_take_and_ends_with_where_all_lies(finished):
    estimate = r"study tiny: \d+ jobs, about \d+ min on 2 cores and \d+ MB of disk"
    assert re.match(estimate, finished.first_run)
    tables, figures, report = WHERE.search(finished.first_run).groups()
    assert (finished.folder / tables / "main.md").is_file()
    assert (finished.folder / figures / "figure_1.svg").is_file()
    assert (finished.folder / report).is_file()


def test_a_second_run_has_nothing_to_do_and_says_so(finished):
    scores = finished.folder / "results/tiny/scores.parquet"
    before = scores.stat().st_mtime_ns
    text = finished.call(*finished.study_command)
    assert text.startswith("study tiny: nothing to do")
    assert WHERE.search(text)
    assert scores.stat().st_mtime_ns == before


def spoil(study):
    study["recipes"]["dpo"]["method"] = "dbo"
    study["benchmarks"]["alert"]["judges"] = ["tiny-gard"]
    study["benchmarks"]["xstets"] = study["benchmarks"].pop("xstest")


@pytest.mark.parametrize("command", ["snakemake", "study"])
def test_a_misspelt_study_is_one_message_before_any_job(finished, command):
    plain = command == "snakemake"
    with finished.with_study(spoil):
        said = finished.refused(
            *(finished.snakemake() if plain else finished.study_command)
        )
    for meant in ("dpo", "tiny-guard", "xstest"):
        assert said.count(f"did you mean '{meant}'?") == 1
    assert "rule " not in said


def test_a_finished_study_stands_done_cell_by_cell(finished):
    said = finished.call(*finished.safegrid("status", "--study", "tiny"))
    cells = len(gathered.all_scores(finished.study))
    assert f"study tiny: {cells} done\n" in said
    assert len(said.splitlines()) == 2 + len(finished.study.models)


# ------------------------------------------------------------------ its world


def test_base_gives_in_to_attacks_and_answers_what_is_harmless(finished):
    scores = finished.table("results/tiny/scores.parquet", SCORE).filter(recipe="none")

    def measured(benchmark, metric, slice_="all"):
        found = scores.filter(benchmark=benchmark, metric=metric, slice=slice_)
        return found["value"].item()

    plain = measured("alert", "true_refusal")
    assert 0.02 < plain < 0.95
    assert measured("alert_adversarial", "true_refusal", "attack=jailbreak") < plain
    assert measured("xstest", "over_refusal") < 0.1
    insulting, other = (
        measured("toxicity", "toxicity_share", f"adversarial={answer}")
        for answer in ("yes", "no")
    )
    assert insulting > other


@pytest.mark.parametrize(
    ("judge", "least"), [("guard", 0.85), ("toxicity", 0.9), ("refusal", 0.9)]
)
def test_judges_are_right_on_rows_that_they_never_saw(finished, judge, least):
    path = finished.folder / f"results/tiny/validated/tiny-{judge}.json"
    assert read_json(path)["accuracy"]["value"] > least


# ------------------------------------------------------------------ what it cost


def test_trainings_and_answers_have_the_tokens_that_were_planned(finished):
    config, study = finished.folder / "config", finished.study
    data = Data(study, load_assumptions(config), finished.folder)
    jobs = Planner(data, load_gpus(config)["h200"]).jobs()
    planned = {(job.kind, job.name): job.work.tokens for job in jobs if job.work}
    speeds, left_out = measured_speeds(study, finished.folder)
    assert left_out == []
    kinds = Counter(speed.kind for speed in speeds)
    answered = len(study.models) * len(study.prompted)
    assert (kinds["train"], kinds["generate"]) == (len(study.trained), answered)
    # Four steps are a draw: the whole dataset's mean is not quite theirs.
    close = {"train": 0.1, "generate": 0.001}
    for speed in (speed for speed in speeds if speed.kind in close):
        tokens = pytest.approx(speed.tokens, rel=close[speed.kind])
        assert planned[speed.kind, speed.name] == tokens


def test_a_finished_study_is_measured(finished, tmp_path):
    out = tmp_path / "plan.json"
    asked = ("plan", "--study", "tiny", "--gpu", "h200", "--out", str(out))
    text = finished.call(*finished.safegrid(*asked))
    assert "lengths measured: results/tiny/pairs/tiny-base/safety.parquet" in text
    assert "shape read in: results/bases/tiny-base" in text
    found = json.loads(out.read_text())
    kinds = {row["kind"] for row in found["rows"] if row["reads"]["measured"]}
    assert kinds >= {"reference", "train", "generate"}
    compared = {row["kind"]: row for row in found["compared"]}
    assert set(compared) == {"train", "generate", "judge", "capability"}
    for row in compared.values():
        assert row["tokens_a_second"] > 0
        assert (row["planned"], row["mfu"]) == (None, None)
        assert "not in config/gpus.yaml" in row["why"]


def test_what_does_not_fit_starts_nothing(fresh):
    lora = "lora: {r: 16, lora_alpha: 16, lora_dropout: 0.05}"
    command = "snakemake --config study=falcon-11b --set-resources"
    command += " train:gres=gpu:h200:1 -- train_all"
    study = "config/studies/falcon-11b.yaml"
    with fresh.edited(study, lambda text: text.replace(lora, "lora: null")):
        said = fresh.refused(*command.split())
    assert "training of dpo" in said
    assert "it fits with `lora: {r: 16, lora_alpha: 16}` under `training`" in said
    assert fresh.made() == []


# ------------------------------------------------------------------ what it shows


def check_page(notebook):
    """Check that an executed notebook shows something, and has a page."""
    shown = [
        output
        for cell in json.loads(notebook.read_text())["cells"]
        for output in cell.get("outputs", [])
    ]
    kinds = {kind for output in shown for kind in output.get("data", {})}
    assert kinds & {"text/markdown", "image/png"}
    assert "<html" in notebook.with_suffix(".html").read_text()[:500]


@pytest.mark.parametrize("name", OURS)
def test_a_notebook_of_a_study_has_a_page(finished, name):
    check_page(finished.folder / f"results/tiny/notebooks/{name}.ipynb")


@pytest.mark.parametrize("page", ["safe_to_serve", "course_correction"])
def test_a_notebook_of_another_paper_writes_its_products(tmp_path, page):
    page = PAGES[page]
    scores, out = tmp_path / "scores.parquet", tmp_path / "page.ipynb"
    made = SCORES[page["paper"]]()
    write_table(scores, made, SCORE, manifest("collect", {}, {}))
    published = ROOT / f"config/published/{page['paper']}.csv"
    values = [f"scores={scores}", f"published={published}"]
    values += [f"{kind}={tmp_path / kind}" for kind in ("tables", "figures")]
    run_notebook(ROOT / f"notebooks/{page['notebook']}.ipynb", values, out)
    check_products(page, tmp_path)
    check_page(out)


def check_products(page, folder):
    products = [f"tables/{n}.{end}" for n in page["tables"] for end in ("csv", "tex")]
    for product in [*products, *(f"figures/{n}.png" for n in page["figures"])]:
        assert (folder / product).stat().st_size > 0


@pytest.mark.parametrize("axis", ["scale", "data"])
def test_a_notebook_of_an_axis_writes_its_products(tmp_path, axis):
    page, out = PAGES[f"{axis}_axis"], tmp_path / "page.ipynb"
    made = serve_scores()
    other = made.with_columns(base=pl.lit("other"))
    write_table(tmp_path / "scores", pl.concat([made, other]), SCORE, NO_MANIFEST)
    pairs = [
        fact("training", f"llama-2-7b/{r}/seed0", "pairs", 9) for r in ("it", "dpo")
    ]
    runs = pl.DataFrame(pairs, schema=RUNS)
    write_table(tmp_path / "runs", runs, RUNS, NO_MANIFEST)
    lines = axes(Study(load_config(ROOT / "config", "safe-to-serve")))["data"]
    if axis == "scale":
        points = [AxisPoint(base, "it", base) for base in ("llama-2-7b", "other")]
        lines = [AxisLine("size", "", "it", points)]
    files = {"scores": "scores", "runs": "runs", "bases": "no-base"}
    values = [f"{name}={tmp_path / files[name]}" for name in page["inputs"]]
    values += [f"{kind}={tmp_path / kind}" for kind in ("tables", "figures")]
    values.append(f"axis={json.dumps(lines)}")
    run_notebook(ROOT / f"notebooks/{page['notebook']}.ipynb", values, out)
    check_products(page, tmp_path)
    check_page(out)


def test_an_unknown_parameter_of_a_notebook_is_refused(tmp_path):
    template = ROOT / "notebooks/3_trade_off.ipynb"
    with pytest.raises(ConfigError, match="score"):
        run_notebook(template, ["score=x"], tmp_path / "o.ipynb")


# Shorter ones may stand in any page by chance.
LEAST_LETTERS = 20
PICTURE = re.compile(r"data:[\w/+.-]+;base64,[\w+/=\s\\]+")


def asked_and_answered(results):
    """Every prompt and every response of a study that is long enough to be told."""
    tables = [pl.read_parquet(path) for path in results.glob("responses/**/*.parquet")]
    texts = {text for table in tables for text in table["text"]}
    for path in results.glob("prompts/*.parquet"):
        turns = pl.read_parquet(path)["prompt"].explode()
        texts |= set(turns.struct.field("content"))
    return {text.strip() for text in texts if len(text.strip()) >= LEAST_LETTERS}


def test_no_prompt_and_no_response_stands_in_what_a_study_shows(finished):
    texts = asked_and_answered(finished.folder / "results/tiny")
    assert len(texts) > 100
    ways = {way for t in texts for way in (t, html.escape(t), json.dumps(t)[1:-1])}
    shown = [
        path
        for folder in ("tables", "figures", "notebooks", "report")
        for path in finished.files(f"results/tiny/{folder}")
        if path.suffix in (".csv", ".md", ".tex", ".svg", ".html", ".ipynb")
    ]
    assert {"report.html", "1_tables.html", "main.csv"} <= {p.name for p in shown}
    for path in shown:
        page = PICTURE.sub("", path.read_text(encoding="utf-8"))
        # Counted, not shown: a failing test must not print them either.
        assert sum(way in page for way in ways) == 0, path.name
