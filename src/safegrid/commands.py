"""The subcommands: which function each one calls, and with which options."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """An option of a subcommand.

    Attributes:
        kind: path, paths, text, texts, int, float, json, flag or a block's name, with
            `[]` for several blocks; with `-or-none` the option may stand without a
            value, which means none.
    """

    name: str
    kind: str
    required: bool = True


@dataclass(frozen=True)
class Command:
    """A subcommand: `call` is `module:function`, whose arguments are the options."""

    call: str
    help: str
    options: tuple[Option, ...]


def _options(text: str) -> tuple[Option, ...]:
    """Read `name:kind` words; a question mark makes an option optional."""
    options = []
    for word in text.split():
        name, kind = word.split(":")
        options.append(Option(name, kind.rstrip("?"), not kind.endswith("?")))
    return tuple(options)


def _command(call: str, help_text: str, options: str) -> Command:
    return Command(f"safegrid.{call}", help_text, _options(options))


# Not jobs of a run: users start them, or they watch over their end themselves.
NO_JOBS = {
    "study",
    "status",
    "plan",
    "rates",
    "doctor",
    "probe-node",
    "end-run",
    "readme",
    "import-verdicts",
    "score-verdicts",
    "engine",
    "nursery",
    "stop-engines",
}

COMMANDS: dict[str, Command] = {
    "grow-world": _command(
        "miniworld.grow:grow_world",
        "Write a miniature world's raw files in their upstream formats.",
        "world:World out:path",
    ),
    "grow-corrections": _command(
        "miniworld.corrections:grow_corrections",
        "Write a miniature world's rows of answers that correct themselves or do not.",
        "world:World out:path",
    ),
    "grow-base": _command(
        "miniworld.base:grow_base",
        "Grow a miniature base model from documents.",
        "world:World documents:path text:path-or-none? out:path",
    ),
    "grow-judge": _command(
        "miniworld.judges:grow_judge",
        "Grow a miniature judge from labelled rows.",
        "world:World judge:text rows:path tokenizer:path out:path",
    ),
    "pin": _command(
        "fetch.pin:pin",
        "Find out what names of the registries stand for, and write the lock.",
        "names:texts? sources_dir:path?",
    ),
    "preflight": _command(
        "fetch.preflight:preflight",
        "List what a study fetches: size, licence, gate; or what is missing.",
        "study:text sources_dir:text?",
    ),
    "fetch-source": _command(
        "fetch.run:fetch_source",
        "Fetch one file of a source as the lock says.",
        "spec:FetchSpec file:text local:path-or-none out:path manifest:path",
    ),
    "fetch-model": _command(
        "fetch.run:fetch_model",
        "Fetch the folder of a base or a judge as the lock says.",
        "spec:FetchSpec local:path-or-none out:path",
    ),
    "prepare-dataset": _command(
        "data.preferences:prepare_dataset",
        "Turn rows of sources into preference pairs, or instructions with an answer.",
        "spec:DatasetSpec sources:SourceSpec[] files:paths out:path",
    ),
    "prepare-prompts": _command(
        "data.prompts:prepare_prompts",
        "Turn a source's rows into a benchmark's prompts.",
        "benchmark:text spec:PromptSpec source:SourceSpec file:path plain:path-or-none"
        " out:path",
    ),
    "prepare-corrections": _command(
        "data.corrections:prepare_corrections",
        "Break unsafe answers off, for a model to correct itself.",
        "name:text spec:RequestsSpec source:SourceSpec seed:int file:path out:path",
    ),
    "cut-pool": _command(
        "data.corrections:cut_pool",
        "Take one of several parts of what a model is asked.",
        "prompts:path shards:int part:int out:path",
    ),
    "gather-texts": _command(
        "data.texts:gather_texts",
        "Turn instructions with answers into documents that a base is grown from.",
        "files:paths out:path out_manifest:path",
    ),
    "overlap": _command(
        "data.overlap:report_overlap",
        "Find the prompts of a benchmark that stand in the datasets.",
        "datasets:paths pools:paths prompts:path out:path",
    ),
    "tokenize": _command(
        "train.tokenize:tokenize_pairs",
        "Turn preference pairs into token ids.",
        "dataset:path tokenizer:path max_length:int out:path",
    ),
    "reference": _command(
        "train.reference:compute_reference",
        "Compute log-probabilities of all pairs under a start model.",
        "pairs:path chain:paths precision:text micro_batch:int out:path",
    ),
    "kto-reference": _command(
        "train.reference:compute_kto_reference",
        "Compute KTO's mismatched log-probabilities under a start model.",
        "pairs:path chain:paths recipe:Recipe data_seed:int out:path",
    ),
    "train": _command(
        "train.run:train",
        "Train one model by one recipe.",
        "pairs:path chain:paths reference:path-or-none kto_reference:path-or-none"
        " recipe:Recipe seed:int data_seed:int checkpoints:path out:path",
    ),
    "render": _command(
        "generate.render:render_prompts",
        "Turn prompts into token ids through a base's chat template.",
        "prompts:path tokenizer:path out:path",
    ),
    "generate": _command(
        "generate.run:generate",
        "Ask a model for its responses to a benchmark's prompts.",
        "chain:paths ids:path decode:Decoding engine:EngineSpec seed:int"
        " benchmark_version:int store:path out:path fresh:flag? search:paths?",
    ),
    "judge": _command(
        "judge.run:judge",
        "Turn responses into verdicts.",
        "judge:JudgeSpec chain:paths prompts:path responses:path engine:EngineSpec"
        " store:path out:path fresh:flag? verdicts_file:path-or-none? cell:json?",
    ),
    "measure": _command(
        "judge.measure:measure",
        "Measure a judge on labelled rows that it did not train on.",
        "judge:JudgeSpec chain:paths labelled:path labelled_format:text"
        " engine:EngineSpec store:path out:path",
    ),
    "import-verdicts": _command(
        "imported.run:import_verdicts",
        "Read verdicts of elsewhere on one model's answers to one benchmark.",
        "prompts:path benchmark:text model:text verdicts:texts out:path kind:text?"
        " words:texts? threshold:float? fields:texts?",
    ),
    "score-verdicts": _command(
        "imported.run:score_verdicts",
        "Score what import-verdicts read, as one table.",
        "imported:paths out:path most_unscored:float? seed:int?",
    ),
    "best-of-k": _command(
        "synthesize.best_of_k:best_of_k",
        "Keep the best of a model's answers to each prompt as training rows.",
        "name:text spec:BestOfKSpec prompts:path responses:path verdicts:path out:path",
    ),
    "corrections": _command(
        "synthesize.corrections:corrections",
        "Rank a model's corrections of itself, as preference pairs.",
        "name:text spec:CorrectionsSpec prompts:paths responses:paths out:path",
    ),
    "engine": _command(
        "engine.main:run_engine",
        "Serve one model; started by whoever takes the first lease of it.",
        "ticket:path",
    ),
    "nursery": _command(
        "engine.nursery:serve_forks",
        "Import what engines need once and fork them; started like an engine.",
        "ticket:path listener:int",
    ),
    "stop-engines": _command(
        "engine.lease:stop_all",
        "End all engines of this run or job on this machine.",
        "folder:path?",
    ),
    "score": _command(
        "score.cell:score_cell",
        "Score one cell, with paired differences to the base.",
        "cell:json metric:text judges:json prompts:path responses:path verdicts:paths"
        " base_responses:path base_verdicts:paths overlap:path-or-none"
        " off_language:float most_unscored:float study_seed:int out:path",
    ),
    "score-capability": _command(
        "score.capability:score_capability",
        "Score a capability suite, task by task and as a mean.",
        "cell:json results:path base_results:path most_unscored:float study_seed:int"
        " out:path",
    ),
    "score-global": _command(
        "score.combine:score_global",
        "Score the mean of a model's safety benchmarks.",
        "cell:json judges:json prompts:paths responses:paths verdicts:paths"
        " base_responses:paths base_verdicts:paths off_language:json"
        " most_unscored:float study_seed:int out:path",
    ),
    "collect": _command(
        "score.collect:collect",
        "Gather all scores, and all that was dropped, trained and measured.",
        "scores:paths models:paths manifests:paths measured:paths overlap:paths"
        " asked:paths out_scores:path out_runs:path",
    ),
    "collect-finished": _command(
        "score.collect:collect_finished",
        "Gather what was dropped, trained and measured, as far as it is finished.",
        "plan:path models:paths manifests:paths measured:paths overlap:paths"
        " asked:paths out_runs:path",
    ),
    "select": _command(
        "score.select:select_settings",
        "Choose each method's settings from a sweep.",
        "scores:path trials:json out:path",
    ),
    "notebook": _command(
        "report.notebook:run_notebook",
        "Run a notebook template and keep what it showed as a page.",
        "template:path values:texts out:path",
    ),
    "report-partial": _command(
        "report.partial:write_partial",
        "Write tables and figures of the finished cells, blanks with their reason.",
        "study:text scores:paths runs:path plan:path published:path out:path",
    ),
    "status-page": _command(
        "report.status:write_finished",
        "Write a page of how the cells of a finished study stand.",
        "study:text scores:paths out:path",
    ),
    "status": _command(
        "report.status:print_status",
        "Show how each cell of a study stands; starts no job.",
        "study:text sources_dir:text? html:path?",
    ),
    "plan": _command(
        "cost.plan:print_plan",
        "Say what a study will take on a GPU: hours, memory, disk, money.",
        "study:text gpu:text price:text? mfu:text? out:path?",
    ),
    "readme": _command(
        "report.readme:update_readme",
        "Copy a run's table and plot into the README.",
        "study:text",
    ),
    "study": _command(
        "workflow.study:run_study",
        "Run a study to its report, as `make study` does.",
        "study:text cores:int sources_dir:text?",
    ),
    "doctor": _command(
        "doctor.run:doctor",
        "Check a profile, its cluster and its nodes before anything is submitted.",
        "profile:text study:text? sources_dir:text? patience:int? no_probe:flag?",
    ),
    "probe-node": _command(
        "doctor.node:probe_node",
        "Tell what a node sees; the doctor starts it there.",
        "ask:path out:path",
    ),
    "rates": _command(
        "workflow.rates:print_rates",
        "Print what the rows of a study took: time and memory by stage.",
        "study:text",
    ),
    "inventory": _command(
        "workflow.inventory:take_inventory",
        "List what a model's cells are made of: hash and speed of each file.",
        "files:paths config:path out:path",
    ),
    "end-run": _command(
        "workflow.lock:end_run",
        "End what is left of a dead run in this folder.",
        "",
    ),
    "capability": _command(
        "capability.run:capability",
        "Run lm-evaluation-harness tasks as a client of the engine.",
        "suite:text tasks:texts blocks:json task_files:paths limit:int-or-none"
        " chain:paths engine:EngineSpec out:path",
    ),
}
