"""The subcommands: which function each one calls."""

from typing import NamedTuple


class Command(NamedTuple):
    """A subcommand; its options are the arguments of the function that it calls.

    Attributes:
        call: `module:function`.
        help: a sentence.
        job: false where users start it, or it watches over its end itself; a job of a
            run ends with its run.
    """

    call: str
    help: str
    job: bool = True


COMMANDS = {
    # Sources, datasets and prompts; the miniature world.
    "build-world": Command(
        "miniworld.build:build_world",
        "Write a miniature world's raw files in their upstream formats.",
    ),
    "build-corrections": Command(
        "miniworld.corrections:build_corrections",
        "Write a miniature world's rows of answers that correct themselves or do not.",
    ),
    "train-base": Command(
        "miniworld.base:train_base",
        "Train a miniature base model from documents.",
    ),
    "train-judge": Command(
        "miniworld.judges:train_judge",
        "Train a miniature judge from labelled rows.",
    ),
    "pin": Command(
        "safegrid.fetch.pin:pin",
        "Find out what names of the registries stand for, and write the lock.",
    ),
    "preflight": Command(
        "safegrid.fetch.preflight:preflight",
        "List what a study needs from outside, or all that is missing of it.",
    ),
    "fetch-source": Command(
        "safegrid.fetch.run:fetch_source",
        "Fetch one file of a source as the lock says.",
    ),
    "fetch-model": Command(
        "safegrid.fetch.run:fetch_model",
        "Fetch the folder of a base, a judge or an encoder as the lock says.",
    ),
    "convert-gguf": Command(
        "safegrid.fetch.convert:convert_gguf",
        "Convert a model in a GGUF file to a folder with safetensors.",
    ),
    "prepare-dataset": Command(
        "safegrid.data.preferences:prepare_dataset",
        "Turn rows of sources into preference pairs, or instructions with an answer.",
    ),
    "prepare-prompts": Command(
        "safegrid.data.prompts:prepare_prompts",
        "Turn a source's rows into a benchmark's prompts.",
    ),
    "prepare-corrections": Command(
        "safegrid.data.corrections:prepare_corrections",
        "Break unsafe answers off, for a model to correct itself.",
    ),
    "prepare-chosen": Command(
        "safegrid.data.preferences:prepare_chosen",
        "Turn instructions with a chosen answer into prompts for a model to answer.",
    ),
    "cut-prompt-pool": Command(
        "safegrid.data.corrections:cut_prompt_pool",
        "Take one of several parts of what a model is asked.",
    ),
    "gather-texts": Command(
        "safegrid.data.instructions:gather_texts",
        "Turn instructions with answers into documents that a base is trained on.",
    ),
    "overlap": Command(
        "safegrid.data.overlap:report_overlap",
        "Find the prompts of a benchmark that stand in the datasets.",
    ),
    # Models are trained and asked, and their answers judged.
    "tokenize": Command(
        "safegrid.train.tokenize:tokenize_pairs",
        "Turn preference pairs into token ids.",
    ),
    "reference": Command(
        "safegrid.train.reference:compute_reference",
        "Compute log-probabilities of all pairs under a start model.",
    ),
    "kto-reference": Command(
        "safegrid.train.reference:compute_kto_reference",
        "Compute KTO's mismatched log-probabilities under a start model.",
    ),
    "train": Command(
        "safegrid.train.run:train",
        "Train one model by one recipe.",
    ),
    "merge": Command(
        "safegrid.train.merge:merge_model",
        "Save a model of a study with its adapters merged.",
        job=False,
    ),
    "render": Command(
        "safegrid.generate.render:render_prompts",
        "Turn prompts into token ids through a base's chat template.",
    ),
    "generate": Command(
        "safegrid.generate.run:generate",
        "Ask a model for its responses to a benchmark's prompts.",
    ),
    "capability": Command(
        "safegrid.capability.run:capability",
        "Run lm-evaluation-harness tasks as a client of the engine.",
    ),
    "reference-likelihood": Command(
        "safegrid.capability.likelihood:reference_likelihood",
        "Read how likely a model finds known answers.",
    ),
    "judge": Command(
        "safegrid.judge.run:judge",
        "Turn responses into verdicts.",
    ),
    "text-head": Command(
        "safegrid.judge.head_training:text_head",
        "Train a text head on labelled rows, and validate it on files left out.",
    ),
    "agreement": Command(
        "safegrid.judge.agreement:agreement",
        "Compare two judges of refusals on the same answers.",
    ),
    "validate-judge": Command(
        "safegrid.judge.validation:validate_judge",
        "Validate a judge on labelled rows that it did not train on.",
    ),
    "calibrate": Command(
        "safegrid.judge.calibrate:calibrate",
        "Fix the threshold of a fluency judge under a base, and test it.",
    ),
    "best-of-k": Command(
        "safegrid.synthesize.model_answers:best_of_k",
        "Keep the best of a model's answers to each prompt as training rows.",
    ),
    "corrections": Command(
        "safegrid.synthesize.corrections:corrections",
        "Rank a model's corrections of itself, as preference pairs.",
    ),
    "rejected-by-model": Command(
        "safegrid.synthesize.model_answers:rejected_by_model",
        "Prefer known answers to a model's own, as preference pairs.",
    ),
    # Verdicts become scores, and scores a report.
    "import-verdicts": Command(
        "safegrid.imported:import_verdicts",
        "Read verdicts of elsewhere on one model's answers to one benchmark.",
        job=False,
    ),
    "score-verdicts": Command(
        "safegrid.imported:score_verdicts",
        "Score what import-verdicts read, as one table.",
        job=False,
    ),
    "score": Command(
        "safegrid.score.cell:score_cell",
        "Score one cell, with paired differences to the base.",
    ),
    "score-capability": Command(
        "safegrid.score.capability:score_capability",
        "Score a capability suite, task by task and as a mean.",
    ),
    "score-likelihood": Command(
        "safegrid.score.capability:score_likelihood",
        "Score how likely a model finds a benchmark's known answers.",
    ),
    "score-global": Command(
        "safegrid.score.cell:score_global",
        "Score the mean of a model's safety benchmarks.",
    ),
    "frontier": Command(
        "safegrid.score.frontier:frontier",
        "Draw one training as a line of safety against loss.",
    ),
    "collect": Command(
        "safegrid.score.collect:collect",
        "Gather all scores, and all that was dropped, trained and measured.",
    ),
    "collect-finished": Command(
        "safegrid.score.collect:collect_finished",
        "Gather what was dropped, trained and measured, as far as it is finished.",
    ),
    "select": Command(
        "safegrid.score.select:select_settings",
        "Choose each method's settings from a sweep.",
    ),
    "notebook": Command(
        "safegrid.report.notebook:run_notebook",
        "Run a notebook template and keep what it showed as a page.",
    ),
    "report-partial": Command(
        "safegrid.report.partial:write_partial",
        "Write tables and figures of the finished cells, blanks with their reason.",
    ),
    "status-page": Command(
        "safegrid.report.status:write_finished",
        "Write a page of how the cells of a finished study stand.",
    ),
    "readme": Command(
        "safegrid.report.readme:update_readme",
        "Copy a run's tables and figures to the pages that show them.",
        job=False,
    ),
    # Studies, clusters and engines: what starts, watches and ends jobs.
    "study": Command(
        "safegrid.workflow.study:run_study",
        "Run a study to its report, as `make study` does.",
        job=False,
    ),
    "status": Command(
        "safegrid.report.status:print_status",
        "Show how each cell of a study stands; starts no job.",
        job=False,
    ),
    "plan": Command(
        "safegrid.cost.plan:print_plan",
        "Say what a study will take on a GPU, and what it needs from outside.",
        job=False,
    ),
    "doctor": Command(
        "safegrid.doctor.run:doctor",
        "Check a profile, its cluster and its nodes before anything is submitted.",
        job=False,
    ),
    "probe-node": Command(
        "safegrid.doctor.node:probe_node",
        "Tell what a node sees; the doctor starts it there.",
        job=False,
    ),
    "rates": Command(
        "safegrid.workflow.rates:print_rates",
        "Print what the rows of a study took: time and memory by stage.",
        job=False,
    ),
    "cell-manifest": Command(
        "safegrid.workflow.cell_manifest:write_cell_manifest",
        "List what a model's cells are made of: hash and speed of each file.",
    ),
    "end-run": Command(
        "safegrid.workflow.lock:end_run",
        "End what is left of a dead run in this folder.",
        job=False,
    ),
    "manage-engines": Command(
        "safegrid.engine.manager:manage_engines",
        "Start, lend and end a run's engines; started by the first job that asks one.",
        job=False,
    ),
    "stop-engines": Command(
        "safegrid.engine.lease:stop_all",
        "End all engines of this run or job on this machine.",
        job=False,
    ),
}
