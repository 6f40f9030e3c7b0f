"""Verdicts become scores with intervals, and all scores become one table.

Takes: results/{study}/prompts/, overlap/, responses/, verdicts/, capability/,
likelihoods/.
Gives: results/{study}/scores/, scores.parquet, runs.parquet, frontier/, comparisons/;
selected.yaml.
"""

# What all scores of a study have in common.
SCORING = {
    "most_unscored": STUDY.config.study.most_unscored,
    "seed": STUDY.config.study.seed,
}
# What people said of the study's answers, if they did.
LABELS = (labels_file(BASEDIR / "config", STUDY.name),) if STUDY.config.labels else ()
# Of the repository: a pod's lies elsewhere.
LABELS_AT_HOME = [str(file.relative_to(BASEDIR)) for file in LABELS]


rule score:
    """Score one cell, with paired differences to the base untouched."""
    input:
        prompts="results/{study}/prompts/{benchmark}.parquet",
        responses="results/{study}/responses/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
        verdicts=lambda w: cells.verdicts(STUDY, cell_of(w)),
        base_responses=lambda w: cells.answers(STUDY, cell_of(w).untouched),
        base_verdicts=lambda w: cells.verdicts(STUDY, cell_of(w).untouched),
        overlap=lambda w: cells.overlap(STUDY, [w.benchmark]),
    output:
        scores="results/{study}/scores/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
    log:
        "logs/{study}/score/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/score/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=one_of(STUDY.prompted),
    priority: 60
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        **SCORING,
        cell=lambda w: cells.names(STUDY, cell_of(w)),
        metric=lambda w: STUDY.prompted[w.benchmark].metric,
        judges=lambda w: json.dumps(judges.kinds(STUDY, w.benchmark)),
        code=code_hash("safegrid.score.cell"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid score \
            --cell {params.cell:q} \
            --metric {params.metric:q} \
            --judges {params.judges:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --verdicts {input.verdicts:q} \
            --base-responses {input.base_responses:q} \
            --base-verdicts {input.base_verdicts:q} \
            --overlap {input.overlap:q} \
            --most-unscored {params.most_unscored:q} \
            --study-seed {params.seed:q} \
            --out {output.scores:q}
        """


rule score_capability:
    """Score a capability suite, task by task and as a mean."""
    input:
        results="results/{study}/capability/{base}/{recipe}/seed{seed}/{benchmark}.json",
        base_results=lambda w: cells.answers(STUDY, cell_of(w).untouched),
    output:
        scores="results/{study}/scores/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
    log:
        "logs/{study}/score_capability/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/score_capability/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=one_of(STUDY.suites),
    priority: 60
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        **SCORING,
        cell=lambda w: cells.names(STUDY, cell_of(w)),
        code=code_hash("safegrid.score.capability"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid score-capability \
            --cell {params.cell:q} \
            --results {input.results:q} \
            --base-results {input.base_results:q} \
            --most-unscored {params.most_unscored:q} \
            --study-seed {params.seed:q} \
            --out {output.scores:q}
        """


rule score_likelihood:
    """Score how likely a model finds known answers, per token, beside the base."""
    input:
        prompts="results/{study}/prompts/{benchmark}.parquet",
        likelihoods="results/{study}/likelihoods/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
        base_likelihoods=lambda w: cells.answers(STUDY, cell_of(w).untouched),
        overlap=lambda w: cells.overlap(STUDY, [w.benchmark]),
    output:
        scores="results/{study}/scores/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
    log:
        "logs/{study}/score_likelihood/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/score_likelihood/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=one_of(STUDY.likelihoods),
    priority: 60
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        **SCORING,
        cell=lambda w: cells.names(STUDY, cell_of(w)),
        code=code_hash("safegrid.score.capability"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid score-likelihood \
            --cell {params.cell:q} \
            --prompts {input.prompts:q} \
            --likelihoods {input.likelihoods:q} \
            --base-likelihoods {input.base_likelihoods:q} \
            --overlap {input.overlap:q} \
            --most-unscored {params.most_unscored:q} \
            --study-seed {params.seed:q} \
            --out {output.scores:q}
        """


rule score_global:
    """The global safety score of a model: the mean of its safety benchmarks."""
    input:
        prompts=lambda w: cells.prompts(STUDY, STUDY.safety),
        responses=lambda w: cells.all_answers(STUDY, model_of(w).on(STUDY.safety)),
        verdicts=lambda w: cells.verdicts(STUDY, *model_of(w).on(STUDY.safety)),
        base_responses=lambda w: cells.all_answers(
            STUDY, model_of(w).untouched.on(STUDY.safety)
        ),
        base_verdicts=lambda w: cells.verdicts(
            STUDY, *model_of(w).untouched.on(STUDY.safety)
        ),
    output:
        scores="results/{study}/scores/{base}/{recipe}/seed{seed}/global.parquet",
    log:
        "logs/{study}/score_global/{base}/{recipe}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/score_global/{base}/{recipe}/seed{seed}.tsv"
    priority: 60
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        **SCORING,
        cell=lambda w: cells.names(STUDY, Cell(model_of(w), "global")),
        judges=lambda w: json.dumps(
            {name: judges.kinds(STUDY, name) for name in STUDY.safety}
        ),
        code=code_hash("safegrid.score.cell"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid score-global \
            --cell {params.cell:q} \
            --judges {params.judges:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --verdicts {input.verdicts:q} \
            --base-responses {input.base_responses:q} \
            --base-verdicts {input.base_verdicts:q} \
            --most-unscored {params.most_unscored:q} \
            --study-seed {params.seed:q} \
            --out {output.scores:q}
        """


rule score_seeds:
    """Scores of a recipe over its seeds, with intervals of seeds and prompts."""
    input:
        prompts=lambda w: cells.prompts(STUDY, STUDY.with_overlap),
        answers=lambda w: cells.all_answers(
            STUDY,
            compared.cells(
                compared.over_seeds(STUDY, w.base, w.recipe), *STUDY.with_overlap
            ),
        ),
        verdicts=lambda w: cells.verdicts(
            STUDY,
            *compared.cells(
                compared.over_seeds(STUDY, w.base, w.recipe), *STUDY.prompted
            ),
        ),
        capability=lambda w: cells.all_answers(
            STUDY,
            compared.cells(
                compared.over_seeds(STUDY, w.base, w.recipe), *STUDY.suites
            ),
        ),
        overlap=lambda w: cells.overlap(STUDY, STUDY.with_overlap),
    output:
        scores="results/{study}/scores/{base}/{recipe}/seeds.parquet",
    log:
        "logs/{study}/score_seeds/{base}/{recipe}.log",
    benchmark:
        "logs/timing/{study}/score_seeds/{base}/{recipe}.tsv"
    priority: 60
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        **SCORING,
        cell=lambda w: json.dumps(
            {"study": STUDY.name, "base": w.base, "recipe": w.recipe}
        ),
        seeds=lambda w: STUDY.seeds(w.recipe),
        benchmarks=lambda w: compared.benchmarks(STUDY),
        code=code_hash("safegrid.score.seeds"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid score-seeds \
            --cell {params.cell:q} \
            --seeds {params.seeds:q} \
            --benchmarks {params.benchmarks:q} \
            --prompts {input.prompts:q} \
            --answers {input.answers:q} \
            --verdicts {input.verdicts:q} \
            --capability {input.capability:q} \
            --overlap {input.overlap:q} \
            --most-unscored {params.most_unscored:q} \
            --study-seed {params.seed:q} \
            --out {output.scores:q}
        """


rule frontier:
    """One training as a line of safety against loss, through its doses and seeds."""
    input:
        prompts=lambda w: cells.prompts(STUDY, lines.requests(STUDY)),
        responses=lambda w: cells.all_answers(
            STUDY, lines.cells(STUDY, w.base, w.recipe, *lines.requests(STUDY))
        ),
        verdicts=lambda w: cells.verdicts(
            STUDY, *lines.cells(STUDY, w.base, w.recipe, *lines.requests(STUDY))
        ),
        capability=lambda w: cells.all_answers(
            STUDY, lines.cells(STUDY, w.base, w.recipe, *STUDY.suites)
        ),
    output:
        line="results/{study}/frontier/{base}/{recipe}.parquet",
    log:
        "logs/{study}/frontier/{base}/{recipe}.log",
    benchmark:
        "logs/timing/{study}/frontier/{base}/{recipe}.tsv"
    wildcard_constraints:
        recipe=one_of(STUDY.config.recipes),
    priority: 60
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        **SCORING,
        line=lambda w: lines.line(STUDY, w.base, w.recipe),
        benchmarks=lambda w: lines.benchmarks(STUDY),
        judges=lambda w: lines.judges(STUDY),
        code=code_hash("safegrid.score.frontier"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid frontier \
            --line {params.line:q} \
            --benchmarks {params.benchmarks:q} \
            --judges {params.judges:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --verdicts {input.verdicts:q} \
            --capability {input.capability:q} \
            --most-unscored {params.most_unscored:q} \
            --study-seed {params.seed:q} \
            --out {output.line:q}
        """


rule compare:
    """All methods of a base beside each other, paired by prompt."""
    input:
        prompts=lambda w: cells.prompts(STUDY, STUDY.with_overlap),
        answers=lambda w: cells.all_answers(
            STUDY, compared.cells(compared.models(STUDY, w.base), *STUDY.with_overlap)
        ),
        verdicts=lambda w: cells.verdicts(
            STUDY, *compared.cells(compared.models(STUDY, w.base), *STUDY.prompted)
        ),
        capability=lambda w: cells.all_answers(
            STUDY, compared.cells(compared.models(STUDY, w.base), *STUDY.suites)
        ),
        overlap=lambda w: cells.overlap(STUDY, STUDY.with_overlap),
    output:
        comparison="results/{study}/comparisons/{base}.parquet",
    log:
        "logs/{study}/compare/{base}.log",
    benchmark:
        "logs/timing/{study}/compare/{base}.tsv"
    priority: 60
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        **SCORING,
        comparison=lambda w: compared.comparison(STUDY, w.base),
        benchmarks=lambda w: compared.benchmarks(STUDY),
        task_groups=lambda w: compared.task_groups(STUDY),
        code=code_hash("safegrid.score.compare"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid compare \
            --comparison {params.comparison:q} \
            --benchmarks {params.benchmarks:q} \
            --prompts {input.prompts:q} \
            --answers {input.answers:q} \
            --verdicts {input.verdicts:q} \
            --capability {input.capability:q} \
            --overlap {input.overlap:q} \
            --task-groups {params.task_groups:q} \
            --most-unscored {params.most_unscored:q} \
            --study-seed {params.seed:q} \
            --out {output.comparison:q}
        """


rule correct:
    """Shares corrected for what their judge gets wrong, by labelled rows and people."""
    input:
        scores=lambda w: [*gathered.all_scores(STUDY), *gathered.all_seeds(STUDY)],
        validated=lambda w: gathered.all_rates(STUDY),
        prompts=lambda w: cells.prompts(
            STUDY, [cell.benchmark for cell in labelled.cells(STUDY)]
        ),
        responses=lambda w: cells.all_answers(STUDY, labelled.cells(STUDY)),
        verdicts=lambda w: labelled.verdicts(STUDY),
    output:
        corrected="results/{study}/corrected.parquet",
    log:
        "logs/{study}/correct.log",
    benchmark:
        "logs/timing/{study}/correct.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        labels=LABELS_AT_HOME,
        labelled=lambda w: labelled.named(STUDY),
        seed=STUDY.config.study.seed,
        code=code_hash("safegrid.score.correct", files=LABELS),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        labels={params.labels:q}
        python -m safegrid correct \
            --scores {input.scores:q} \
            --validated {input.validated:q} \
            --labels ${{labels:+"$SAFEGRID_HOME/$labels"}} \
            --labelled {params.labelled:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --verdicts {input.verdicts:q} \
            --study-seed {params.seed:q} \
            --out {output.corrected:q}
        """


rule collect:
    """Gather all scores into one table, and all that was dropped into another."""
    input:
        scores=lambda w: gathered.all_scores(STUDY),
        seeds=lambda w: gathered.all_seeds(STUDY),
        corrected="results/{study}/corrected.parquet",
        models=lambda w: gathered.all_trainings(STUDY),
        manifests=lambda w: gathered.all_counted(STUDY),
        validated=lambda w: gathered.all_validated(STUDY),
        overlap=lambda w: cells.overlap(STUDY, STUDY.with_overlap),
        asked=lambda w: gathered.base_answers(STUDY),
    output:
        scores="results/{study}/scores.parquet",
        runs="results/{study}/runs.parquet",
    log:
        "logs/{study}/collect.log",
    benchmark:
        "logs/timing/{study}/collect.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=code_hash("safegrid.score.collect"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid collect \
            --scores {input.scores:q} {input.seeds:q} {input.corrected:q} \
            --models {input.models:q} \
            --manifests {input.manifests:q} \
            --validated {input.validated:q} \
            --overlap {input.overlap:q} \
            --asked {input.asked:q} \
            --out-scores {output.scores:q} \
            --out-runs {output.runs:q}
        """


# No study makes it by itself: copied to config/tuned/ and committed, others read it.
rule select:
    """Choose each method's settings, by the criterion that a sweep study's file states."""
    input:
        scores=f"results/{STUDY.name}/scores.parquet",
    output:
        selected=f"results/{STUDY.name}/selected.yaml",
    log:
        f"logs/{STUDY.name}/select.log",
    benchmark:
        f"logs/timing/{STUDY.name}/select.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        trials=json.dumps(trainings.trials(STUDY)),
        code=code_hash("safegrid.score.select"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid select \
            --scores {input.scores:q} \
            --trials {params.trials:q} \
            --out {output.selected:q}
        """
