"""The study of this run, which the rules look into by their wildcards, and its
surroundings.

`STUDY` and what the modules of `safegrid.study` say of it is tested Python.
"""

import json
import os
import shlex
import sys
from pathlib import Path

BASEDIR = Path(workflow.basedir)
sys.path.insert(0, str(BASEDIR / "src"))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from safegrid.runtime.buckets import look_again_for_folders
from safegrid.core.closure import code_hash
from safegrid.config.labels import labels_file
from safegrid.config.load import load_config
from safegrid.config.options import check_file, check_options
from safegrid.cost.fit import check_fit
from safegrid.core.errors import ConfigError, SafegridError
from safegrid.runtime.faults import check_paths
from safegrid.study.prerequisites import is_file_there, prerequisites, unmet
from safegrid.runtime.runs import HOME, RUN, announce
from safegrid.core.seals import STUDY as NAMED
from safegrid.study.selection import FORCE, OPTIONS, Selection
from safegrid.core.stages import VERSIONS
from safegrid.study import Study
from safegrid.study import axes, cells, compared, gathered, judges, labelled, lines
from safegrid.study import sources, trainings
from safegrid.study.grid import Cell, cell_of, model_of, one_of
from safegrid.study.upstreams import Upstreams

try:
    check_paths({BASEDIR, Path.cwd()})
    check_file(BASEDIR / "config")
except SafegridError as error:
    raise WorkflowError(str(error)) from None


configfile: f"{BASEDIR}/config/config.yaml"


try:
    GIVEN = check_options(config, [*OPTIONS, FORCE], BASEDIR / "config")
    STUDY = Study(load_config(BASEDIR / "config", GIVEN.study), GIVEN.sources_dir)
    UPSTREAMS = Upstreams(STUDY)
    SELECTION = Selection(STUDY, config)
    # A job of a run parses this again; whether it fits was asked before.
    UNCHECKED = workflow.is_main_process and check_fit(
        STUDY, BASEDIR / "config", GIVEN.gpu, workflow.resource_settings
    )
except SafegridError as error:
    raise WorkflowError(str(error)) from None

# Neither by `safegrid study`, which has listed what is needed, nor by a job.
BY_HAND = workflow.is_main_process and RUN not in os.environ
# Jobs find the package from any working directory, and know whose run they are.
os.environ.update(announce(BASEDIR))
# A file that studies share is made again for the one that met it damaged.
os.environ[NAMED] = STUDY.name
# What a site does at the start of each of its jobs: modules, containers, scratch.
shell.prefix('[ ! -v SLURM_JOB_ID ] || . "$SAFEGRID_HOME/profiles/slurm/job.sh"; ')

# Where results lie in a bucket, a job that calls Snakemake itself must say so again.
SPAWN = workflow.spawned_job_args_factory
os.environ.update(SPAWN.get_storage_provider_envvars())
STORAGE_ARGS = [
    SPAWN.get_default_storage_provider_args(),
    *SPAWN.get_storage_provider_args(),
]
# They come quoted for a shell; rules quote each word themselves.
STORAGE = shlex.split(" ".join(STORAGE_ARGS))
IN_BUCKET = workflow.storage_settings.default_storage_provider is not None
if workflow.storage_settings.default_storage_provider == "s3":
    look_again_for_folders()

# A bucket is not looked into for this; its runs are told when they start.
if BY_HAND and not IN_BUCKET:
    NEEDED = prerequisites(UPSTREAMS, os.environ, is_file_there)
    if told := unmet(STUDY.name, NEEDED):
        logger.warning(told)
if UPSTREAMS.homeless():
    raise WorkflowError(UPSTREAMS.homeless())
if UNCHECKED:
    logger.warning(UNCHECKED)


wildcard_constraints:
    study=one_of([STUDY.name]),
    base=one_of(STUDY.all_bases),
    recipe=one_of(STUDY.recipe_names),
    benchmark=one_of([*STUDY.config.benchmarks, *STUDY.pools]),
    dataset=one_of(STUDY.prepared),
    generated=one_of(STUDY.generated),
    # A dataset, or one that a model makes with that model's seed.
    rows=rf"(?:{one_of(STUDY.prepared)}|(?:{one_of(STUDY.generated)})/seed\d+)",
    judge=one_of(STUDY.config.judges),
    world=one_of(STUDY.config.worlds),
    size=one_of(
        ["base", *(size for w in STUDY.config.worlds.values() for size in w.sizes)]
    ),
    seed=r"\d+",


# Whether the jobs of a model are one job on a cluster.
GROUPED = bool(workflow.group_settings.overwrite_groups)

GPUS = BASEDIR / "config/gpus.yaml"
ASSUMPTIONS = BASEDIR / "config/assumptions.yaml"


# An engine can die of what is not its job's fault; answers that it gave are kept.
ENGINE_RETRIES = 1


def made_from(w):
    """Return the cells whose answers a dataset is made of."""
    return cells.made_from(STUDY, w.generated, w.base, w.seed)


def world_of(wildcards):
    """Return the block of a world; of a base's job with its shape as `base`."""
    world = STUDY.config.worlds[wildcards.world]
    base = world.bases[f"{wildcards.world}-{wildcards.get('size', 'base')}"]
    sized = world.model_copy(update={"base": base})
    return sized.model_dump_json(exclude_none=True)


def in_world(source, *names):
    """Name files of a source that the miniature writes, and the manifest beside them."""
    folder = f"results/raw/{{world}}-{source}"
    return [f"{folder}/{name}" for name in (*names, "manifest.json")]


def in_two_parts(*rows):
    """Name the rows that judges are trained on and measured on."""
    return [f"{name}_{part}.jsonl" for name in rows for part in ("train", "test")]


def of_tasks(*tasks):
    """Name the files of a world's tasks, and of those that its sweeps are scored on."""
    return [
        f"{place}{name}{end}"
        for name in tasks
        for place in ("{world}_", "dev/{world}_dev_")
        for end in (".yaml", ".jsonl")
    ]


def whole(recipes):
    """Constrain a wildcard to recipes by their whole names.

    Snakemake lets a value pass that only begins as a constraint asks: `nca@10` for `nca`.
    """
    return rf"(?:{one_of(recipes)})(?=(?:@\d+)?/|$)"


def train_at(steps, recipes):
    """Train as `train` does, and keep models at some steps of the training too.

    All folders are outputs of one job, and no output can be a function: recipes that
    keep models at the same steps share a rule. This is what Snakemake makes of `use
    rule train as ... with`, which takes no name that is computed.
    """
    name = "_".join(["train_at", *map(str, steps)])
    # What a profile or the command line says of `train` holds for it.
    asked = workflow.resource_settings
    for said in (
        asked._parsed_overwrite_threads,
        asked._parsed_overwrite_resources,
        workflow.group_settings.overwrite_groups,
    ):
        if "train" in said:
            said.setdefault(name, said["train"])

    @workflow.userule(rules=["train"], name_modifier=name)
    @workflow.output(model=[directory(path) for path in trainings.model_folders(steps)])
    @workflow.register_wildcard_constraints(recipe=whole(recipes))
    @workflow.run
    def inherit():
        pass
