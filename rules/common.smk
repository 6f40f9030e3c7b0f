"""The study of this run, and how wildcards become questions to it.

Functions here only hand wildcards to `safegrid.study`, which is tested Python.
"""

import json
import os
import sys
from pathlib import Path

BASEDIR = Path(workflow.basedir)
sys.path.insert(0, str(BASEDIR / "src"))

from snakemake.common import async_run
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from safegrid import endpoints, stale, suites
from safegrid.buckets import look_again_for_folders
from safegrid.closure import code_hash
from safegrid.config.checks import check_options
from safegrid.config.load import load_config
from safegrid.cost.requested import check_fit
from safegrid.errors import ConfigError, SafegridError
from safegrid.faults import check_writable
from safegrid.runs import HOME, announce, record_owner
from safegrid.selection import FORCE, OPTIONS, Selection
from safegrid.stages import VERSIONS
from safegrid.grid import Cell, Model, one_of
from safegrid.study import Study
from safegrid.trainings import launcher
from safegrid.upstreams import Upstreams

try:
    known = ["study", "sources_dir", "gpu", *OPTIONS, FORCE]
    check_options(config, known, BASEDIR / "config/config.yaml")
    STUDY = Study(load_config(BASEDIR / "config", config["study"]))
    UPSTREAMS = Upstreams(STUDY, config["sources_dir"])
    SELECTION = Selection(STUDY, config)
    # A job of a run parses this again; whether it fits was asked before.
    UNCHECKED = workflow.is_main_process and check_fit(
        STUDY, BASEDIR / "config", config["gpu"], workflow.resource_settings
    )
except ConfigError as error:
    raise WorkflowError(str(error)) from None

# Jobs find the package from any working directory, and know whose run they are.
os.environ.update(announce(BASEDIR))
# What a site does at the start of each of its jobs: modules, containers, scratch.
shell.prefix('[ ! -v SLURM_JOB_ID ] || . "$SAFEGRID_HOME/profiles/slurm/job.sh"; ')

# Where results lie in a bucket, a job that calls Snakemake itself must say so again.
SPAWN = workflow.spawned_job_args_factory
os.environ.update(SPAWN.get_storage_provider_envvars())
STORAGE = [
    SPAWN.get_default_storage_provider_args(),
    *SPAWN.get_storage_provider_args(),
]
IN_BUCKET = workflow.storage_settings.default_storage_provider is not None
if workflow.storage_settings.default_storage_provider == "s3":
    look_again_for_folders()

if workflow.is_main_process and UPSTREAMS.unpinned():
    logger.warning(UPSTREAMS.unpinned())
if workflow.is_main_process and suites.refused(STUDY):
    logger.warning(suites.refused(STUDY))
if workflow.is_main_process and endpoints.unset(STUDY):
    logger.warning(endpoints.unset(STUDY))
if UNCHECKED:
    logger.warning(UNCHECKED)


wildcard_constraints:
    study=one_of([STUDY.name]),
    base=one_of(STUDY.all_bases),
    recipe=one_of(["none", *STUDY.config.recipes]),
    benchmark=one_of([*STUDY.config.benchmarks, *STUDY.pools]),
    dataset=one_of(STUDY.prepared),
    made=one_of(STUDY.made),
    # A dataset, or one that a model makes with that model's seed.
    rows=rf"(?:{one_of(STUDY.prepared)}|(?:{one_of(STUDY.made)})/seed\d+)",
    judge=one_of(STUDY.config.judges),
    world=one_of(STUDY.config.worlds),
    seed=r"\d+",


# ------------------------------------------------------------------ registries


def world_block(wildcards):
    return STUDY.config.worlds[wildcards.world].model_dump_json(exclude_none=True)


def tokenizer_files(world):
    """Return every file of a world's tokenizer; a job finds no other beside them."""
    folder = f"results/raw/{world}-corpus/tokenizer"
    names = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
    return [f"{folder}/{name}" for name in names]


def world_texts(wildcards):
    return STUDY.text_files(wildcards.world)


def text_documents(wildcards):
    return STUDY.text_documents(wildcards.world)


def judge_rows(wildcards):
    return STUDY.judge_rows(wildcards.world, wildcards.kind)


def dataset_files(wildcards):
    return STUDY.dataset_files(wildcards.dataset)


def dataset_block(wildcards):
    return STUDY.config.study.datasets[wildcards.dataset].model_dump_json()


def dataset_sources(wildcards):
    parts = STUDY.config.study.datasets[wildcards.dataset].rows_from
    return [STUDY.source_block(part.source) for part in parts]


def dataset_rows(wildcards):
    return STUDY.dataset(wildcards.base, wildcards.rows)


def dataset_of(wildcards):
    """The block of a dataset behind rows, whichever model made them."""
    return STUDY.config.study.datasets[wildcards.rows.partition("/")[0]]


def dataset_max_length(wildcards):
    return dataset_of(wildcards).max_length


def made_block(wildcards):
    return STUDY.made[wildcards.made].model_dump_json()


def made_seed(wildcards):
    return STUDY.config.study.datasets[wildcards.made].seed


def made_shards(wildcards):
    return STUDY.corrected[wildcards.made].shards


def made_prompts(wildcards):
    pools = STUDY.made[wildcards.made].pools(wildcards.made)
    return [STUDY.prompts(pool) for pool in pools]


def corrections_file(wildcards):
    requests = STUDY.corrected[wildcards.made].requests
    return STUDY.raw(requests.source, requests.file)


def corrections_source(wildcards):
    return STUDY.source_block(STUDY.corrected[wildcards.made].requests.source)


def requests_block(wildcards):
    return STUDY.corrected[wildcards.made].requests.model_dump_json()


def made_from(wildcards):
    return STUDY.made_from(wildcards.made, wildcards.base, int(wildcards.seed))


def pool_responses(wildcards):
    return [STUDY.responses(cell) for cell in made_from(wildcards)]


def pool_verdicts(wildcards):
    return [file for cell in made_from(wildcards) for file in STUDY.verdicts(cell)]


def prompt_file(wildcards):
    return STUDY.prompt_file(wildcards.benchmark)


def plain_prompt_file(wildcards):
    return STUDY.plain_prompt_file(wildcards.benchmark)


def prompt_block(wildcards):
    return STUDY.prompt_spec(wildcards.benchmark).model_dump_json()


def prompt_source(wildcards):
    spec = STUDY.prompt_spec(wildcards.benchmark)
    return STUDY.source_block(spec.source)


def benchmark_block(field):
    """Return an input function for one field of a benchmark's block."""
    return lambda wildcards: getattr(
        STUDY.config.benchmarks[wildcards.benchmark], field
    )


def search_files(wildcards):
    return STUDY.search_files(wildcards.benchmark)


def asked_version(wildcards):
    return STUDY.asked[wildcards.benchmark].version


def decode_block(wildcards):
    return STUDY.asked[wildcards.benchmark].decode.model_dump_json()


def judge_block(wildcards):
    return STUDY.config.judges[wildcards.judge].spec().model_dump_json()


# -------------------------------------------------------------------- upstream


def fetch_file_block(wildcards):
    spec = UPSTREAMS.spec("source", wildcards.source, wildcards.file)
    return spec.model_dump_json(exclude_none=True)


def fetch_base_block(wildcards):
    return UPSTREAMS.spec("base", wildcards.base).model_dump_json(exclude_none=True)


def fetch_judge_block(wildcards):
    return UPSTREAMS.spec("judge", wildcards.judge).model_dump_json(exclude_none=True)


# The user's own files are on this machine, wherever results go.


def local_file(wildcards):
    return local(UPSTREAMS.local("source", wildcards.source, wildcards.file))


def local_base(wildcards):
    return local(UPSTREAMS.local("base", wildcards.base))


def local_judge(wildcards):
    return local(UPSTREAMS.local("judge", wildcards.judge))


# ---------------------------------------------------------------------- models


def model_of(wildcards):
    return Model(wildcards.base, wildcards.recipe, int(wildcards.seed))


def cell_of(wildcards):
    return Cell(model_of(wildcards), wildcards.benchmark)


def model_chain(wildcards):
    return STUDY.chain(model_of(wildcards))


def start_chain(wildcards):
    return STUDY.start_chain(model_of(wildcards))


def pairs_file(wildcards):
    return STUDY.pairs(model_of(wildcards))


def reference_file(wildcards):
    return STUDY.reference(model_of(wildcards))


def kto_reference_file(wildcards):
    return STUDY.kto_reference(model_of(wildcards))


def recipe_block(wildcards):
    return STUDY.recipe(wildcards.recipe).model_dump_json()


def recipe_launcher(wildcards):
    return launcher(STUDY.recipe(wildcards.recipe))


def recipe_data_seed(wildcards):
    dataset = STUDY.recipe(wildcards.recipe).dataset
    return STUDY.config.study.datasets[dataset].seed


def kto_block(wildcards):
    return STUDY.kto_recipes()[wildcards.key].model_dump_json()


def kto_data_seed(wildcards):
    return dataset_of(wildcards).seed


def judge_chain(wildcards):
    return STUDY.judge_chain(wildcards.judge, wildcards.base)


def judge_verdicts_file(wildcards):
    return STUDY.verdicts_file(wildcards.judge)


def measured_chain(wildcards):
    return STUDY.judge_chain(wildcards.judge, "")


def labelled(wildcards):
    return STUDY.labelled(wildcards.judge)


def labelled_format(wildcards):
    return STUDY.labelled_format(wildcards.judge)


# Whether the jobs of a model are one job on a cluster.
GROUPED = bool(workflow.group_settings.overwrite_groups)

# ------------------------------------------------------------------ priorities
# An engine serves all cells of its model before the next model's is started, and
# judges follow one after another: fewer engine starts, the same results.


def model_priority(wildcards):
    return len(STUDY.models) - STUDY.models.index(model_of(wildcards))


def judge_priority(wildcards):
    return -list(STUDY.config.judges).index(wildcards.judge) - 1


# ---------------------------------------------------------------- capabilities

ENGINE = STUDY.config.study.engine.model_dump_json()
GPUS = BASEDIR / "config/gpus.yaml"
ASSUMPTIONS = BASEDIR / "config/assumptions.yaml"


def task_files(wildcards):
    return suites.task_files(STUDY, wildcards.benchmark)


def task_blocks(wildcards):
    return json.dumps(suites.task_blocks(STUDY, wildcards.benchmark))


def benchmark_limit(wildcards):
    limit = STUDY.config.benchmarks[wildcards.benchmark].limit
    return "" if limit is None else limit


# ---------------------------------------------------------------------- scores


def overlap_file(wildcards):
    return STUDY.overlap(wildcards.benchmark)


def cell_verdicts(wildcards):
    return STUDY.verdicts(cell_of(wildcards))


def cell_made_of(wildcards):
    return STUDY.made_of(cell_of(wildcards))


def model_answers(wildcards):
    return STUDY.model_answers(model_of(wildcards))


def model_verdicts(wildcards):
    return STUDY.model_verdicts(model_of(wildcards))


def base_responses(wildcards):
    return STUDY.responses(STUDY.base_cell(cell_of(wildcards)))


def base_verdicts(wildcards):
    return STUDY.verdicts(STUDY.base_cell(cell_of(wildcards)))


def cell_block(wildcards):
    return json.dumps({"study": wildcards.study, **cell_names(wildcards)})


def cell_names(wildcards):
    return {
        "base": wildcards.base,
        "recipe": wildcards.recipe,
        "seed": int(wildcards.seed),
        "benchmark": wildcards.get("benchmark", "global"),
    }


def judge_kinds(wildcards):
    return json.dumps(STUDY.judge_kinds(wildcards.benchmark))


def global_judge_kinds(wildcards):
    return json.dumps({name: STUDY.judge_kinds(name) for name in STUDY.safety})


def global_off_language(wildcards):
    blocks = STUDY.config.benchmarks
    return json.dumps({name: blocks[name].off_language for name in STUDY.safety})


def safety_cells(wildcards):
    model = model_of(wildcards)
    return [Cell(model, name) for name in STUDY.safety]


def global_prompts(wildcards):
    return [f"results/{STUDY.name}/prompts/{name}.parquet" for name in STUDY.safety]


def global_responses(wildcards):
    return [STUDY.responses(cell) for cell in safety_cells(wildcards)]


def global_verdicts(wildcards):
    return [file for cell in safety_cells(wildcards) for file in STUDY.verdicts(cell)]


def global_base_responses(wildcards):
    cells = [STUDY.base_cell(cell) for cell in safety_cells(wildcards)]
    return [STUDY.responses(cell) for cell in cells]


def global_base_verdicts(wildcards):
    cells = [STUDY.base_cell(cell) for cell in safety_cells(wildcards)]
    return [file for cell in cells for file in STUDY.verdicts(cell)]


def base_capability(wildcards):
    folder = f"results/{STUDY.name}/capability/{wildcards.base}/none/seed0"
    return f"{folder}/{wildcards.benchmark}.json"


# --------------------------------------------------------------------- gathers


def cell_files(wildcards):
    selected(SELECTION.cell)
    return cells_files(wildcards)


def cells_files(wildcards):
    """Make the cells' files again under `force=true`, and nothing they are made of.

    `--forcerun RULE` would make other cells' files again too: every cell is set
    against its base's.
    """
    one_job_a_cell()
    files = selected(SELECTION.files)
    if SELECTION.forced:
        workflow.dag.forcefiles.update(files)
    return files


def one_job_a_cell():
    """Let a cluster's profile, which groups jobs by model, group asked cells by cell.

    Called while jobs are planned: before that Snakemake does not know its groups.
    """
    settings = workflow.group_settings
    if settings.overwrite_groups and SELECTION.by_benchmark:
        rules = ["generate", "capability", "judge", "inventory_cell"]
        name = "cell_{base}_{recipe}_{seed}_{benchmark}"
        settings.overwrite_groups = {
            **settings.overwrite_groups,
            **dict.fromkeys(rules, name),
        }


def selected(choose):
    """Ask a selection, in Snakemake's own kind of error."""
    try:
        return choose()
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def all_datasets(wildcards):
    folder = f"results/{STUDY.name}/datasets"
    return [f"{folder}/{name}.parquet" for name in STUDY.prepared]


def pool_prompts(wildcards):
    """What models were asked so that datasets could be made: training prompts too."""
    return [STUDY.prompts(name) for name in STUDY.made]


def all_made(wildcards):
    return STUDY.all_made()


def all_prompts(wildcards):
    return [f"results/{STUDY.name}/prompts/{name}.parquet" for name in STUDY.prompted]


def all_overlaps(wildcards):
    return [file for name in STUDY.prompted for file in STUDY.overlap(name)]


def all_models(wildcards):
    return [STUDY.model_dir(model) for model in STUDY.trained]


def all_histories(wildcards):
    return [f"{folder}/history.parquet" for folder in all_models(wildcards)]


def all_responses(wildcards):
    return [STUDY.responses(cell) for cell in STUDY.cells(STUDY.prompted)]


def all_capabilities(wildcards):
    return [STUDY.answers(cell) for cell in STUDY.cells(STUDY.suites)]


def all_verdicts(wildcards):
    cells = STUDY.cells(STUDY.prompted)
    return [file for cell in cells for file in STUDY.verdicts(cell)]


def partial_scores(wildcards):
    """All scores, there or not, of a study whose results lie on this disk."""
    if IN_BUCKET:
        raise WorkflowError(
            "report_partial reads results/ in this folder, and they lie in a bucket:"
            " copy its results/ here, then ask again without the cloud's profile"
            " (docs/run_in_a_cloud.md)"
        )
    return STUDY.scores()


def all_measured(wildcards):
    return [f"results/{STUDY.name}/measured/{name}.json" for name in STUDY.measured()]


def all_asked(wildcards):
    """What the bases answered: the prompts that they could not hold are counted."""
    return STUDY.base_answers()


def all_pairs(wildcards):
    return STUDY.all_pairs()


def all_counted(wildcards):
    """Every table whose manifest counts what its stage dropped and why."""
    parts = (all_datasets, all_made, all_prompts, pool_prompts, all_pairs)
    return [file for part in parts for file in part(wildcards)]


def all_inventories(wildcards):
    return [file for model in STUDY.models for file in STUDY.inventories(model)]


def all_lengths(wildcards):
    """What a plan's lengths are counted on: pairs, prompts and answers in tokens."""
    ids = [
        f"results/{STUDY.name}/ids/{base}/{name}.parquet"
        for base in STUDY.bases
        for name in STUDY.prompted
    ]
    return [*all_pairs(wildcards), *ids, *all_responses(wildcards)]


def all_scores(wildcards):
    return STUDY.scores()


# ---------------------------------------------------------------------- report

TABLES = (
    "main",
    "summary",
    "answers",
    "differences",
    "categories",
    "attacks",
    "judges",
    "trainings",
    "rows",
    "overlap",
    "decontaminated",
)
FIGURES = (
    "categories",
    "attacks",
    "trade_off_capability",
    "trade_off_over_refusal",
    "trade_off_sound_capability",
    "trade_off_sound_harmless_lost",
    "curves_loss",
    "curves_likelihoods",
    "curves_margins",
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
        paths = {**written, **AT_HOME, "study": STUDY.name, "root": root, **input}
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
    names = (*TABLES, *PAPER_TABLES)
    return [f"results/{STUDY.name}/tables/{name}.csv" for name in names]


def all_figures(wildcards):
    names = (*FIGURES, *PAPER_FIGURES)
    return [f"results/{STUDY.name}/figures/{name}.svg" for name in names]


def cost_page(wildcards):
    return f"results/{STUDY.name}/cost/cost.csv"


def check_places():
    """End a run that could write nothing before its first job."""
    try:
        check_writable()
    except SafegridError as error:
        raise WorkflowError(str(error)) from None


def tell_stale():
    logger.info(stale.described(stale.planned(workflow.dag, is_there)))


def is_there(file):
    return async_run(file.exists())


def stop_engines():
    shell("python -m safegrid stop-engines")


def print_rates():
    # In a bucket there is no timing of a job to be read here.
    if IN_BUCKET:
        return
    shell(f"python -m safegrid rates --study {STUDY.name}")
