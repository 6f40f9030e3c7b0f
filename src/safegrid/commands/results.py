"""Verdicts become scores, and scores a report."""

from safegrid.commands.command import Command, command

RESULTS: dict[str, Command] = {
    "import-verdicts": command(
        "safegrid.imported.run:import_verdicts",
        "Read verdicts of elsewhere on one model's answers to one benchmark.",
        "prompts:path benchmark:text model:text verdicts:texts out:path kind:text?"
        " words:texts? threshold:float? fields:texts?",
        job=False,
    ),
    "score-verdicts": command(
        "safegrid.imported.run:score_verdicts",
        "Score what import-verdicts read, as one table.",
        "imported:paths out:path most_unscored:float? seed:int?",
        job=False,
    ),
    "score": command(
        "safegrid.score.cell:score_cell",
        "Score one cell, with paired differences to the base.",
        "cell:json metric:text judges:json prompts:path responses:path verdicts:paths"
        " base_responses:path base_verdicts:paths overlap:path-or-none"
        " most_unscored:float study_seed:int out:path",
    ),
    "score-capability": command(
        "safegrid.score.capability:score_capability",
        "Score a capability suite, task by task and as a mean.",
        "cell:json results:path base_results:path most_unscored:float study_seed:int"
        " out:path",
    ),
    "score-likelihood": command(
        "safegrid.score.likelihood:score_likelihood",
        "Score how likely a model finds a benchmark's known answers.",
        "cell:json prompts:path likelihoods:path base_likelihoods:path"
        " overlap:path-or-none most_unscored:float study_seed:int out:path",
    ),
    "score-global": command(
        "safegrid.score.combine:score_global",
        "Score the mean of a model's safety benchmarks.",
        "cell:json judges:json prompts:paths responses:paths verdicts:paths"
        " base_responses:paths base_verdicts:paths"
        " most_unscored:float study_seed:int out:path",
    ),
    "frontier": command(
        "safegrid.score.frontier:frontier",
        "Draw one training as a line of safety against loss.",
        "line:json benchmarks:json judges:json prompts:paths responses:paths"
        " verdicts:paths capability:paths most_unscored:float study_seed:int out:path",
    ),
    "collect": command(
        "safegrid.score.collect:collect",
        "Gather all scores, and all that was dropped, trained and measured.",
        "scores:paths models:paths manifests:paths validated:paths overlap:paths"
        " asked:paths out_scores:path out_runs:path",
    ),
    "collect-finished": command(
        "safegrid.score.collect:collect_finished",
        "Gather what was dropped, trained and measured, as far as it is finished.",
        "plan:path models:paths manifests:paths validated:paths overlap:paths"
        " asked:paths out_runs:path",
    ),
    "select": command(
        "safegrid.score.select:select_settings",
        "Choose each method's settings from a sweep.",
        "scores:path trials:json out:path",
    ),
    "notebook": command(
        "safegrid.report.notebook:run_notebook",
        "Run a notebook template and keep what it showed as a page.",
        "template:path values:texts out:path",
    ),
    "report-partial": command(
        "safegrid.report.partial:write_partial",
        "Write tables and figures of the finished cells, blanks with their reason.",
        "study:study scores:paths runs:path lines:paths plan:path published:path"
        " out:path",
    ),
    "status-page": command(
        "safegrid.report.status:write_finished",
        "Write a page of how the cells of a finished study stand.",
        "study:study scores:paths out:path",
    ),
    "readme": command(
        "safegrid.report.readme:update_readme",
        "Copy a run's tables and figures to the pages that show them.",
        "study:study",
        job=False,
    ),
}
