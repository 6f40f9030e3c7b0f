"""Verdicts become scores with intervals, and all scores become one table.

Takes: results/{study}/prompts/, overlap/, responses/, verdicts/, capability/,
likelihoods/.
Gives: results/{study}/scores/, scores.parquet, runs.parquet, frontier/.
"""


rule score:
    """Score one cell, with paired differences to the base untouched."""
    input:
        prompts="results/{study}/prompts/{benchmark}.parquet",
        responses="results/{study}/responses/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
        verdicts=of_cell(STUDY.verdicts),
        base_responses=of_cell(STUDY.base_responses),
        base_verdicts=of_cell(STUDY.base_verdicts),
        overlap=of(STUDY.overlap, "benchmark"),
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
        cell=of_cell(STUDY.cell_block),
        metric=of(STUDY.metric, "benchmark"),
        judges=of(STUDY.judge_kinds_json, "benchmark"),
        most_unscored=STUDY.config.study.most_unscored,
        seed=STUDY.config.study.seed,
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
        base_results=of_cell(STUDY.base_result),
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
        cell=of_cell(STUDY.cell_block),
        most_unscored=STUDY.config.study.most_unscored,
        seed=STUDY.config.study.seed,
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
        base_likelihoods=of_cell(STUDY.base_result),
        overlap=of(STUDY.overlap, "benchmark"),
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
        cell=of_cell(STUDY.cell_block),
        most_unscored=STUDY.config.study.most_unscored,
        seed=STUDY.config.study.seed,
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
        prompts=of_study(STUDY.global_prompts),
        responses=of_model(STUDY.global_responses),
        verdicts=of_model(STUDY.global_verdicts),
        base_responses=of_model(STUDY.global_base_responses),
        base_verdicts=of_model(STUDY.global_base_verdicts),
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
        cell=of_model(STUDY.global_block),
        judges=of_study(STUDY.global_judge_kinds_json),
        most_unscored=STUDY.config.study.most_unscored,
        seed=STUDY.config.study.seed,
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


rule frontier:
    """One training as a line of safety against loss, through its doses and seeds."""
    input:
        prompts=of_study(STUDY.line_prompts),
        responses=of(STUDY.line_responses, "base", "recipe"),
        verdicts=of(STUDY.line_verdicts, "base", "recipe"),
        capability=of(STUDY.line_capability, "base", "recipe"),
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
        line=of(STUDY.line_block, "base", "recipe"),
        benchmarks=of_study(STUDY.line_benchmarks_json),
        judges=of_study(STUDY.line_judges_json),
        most_unscored=STUDY.config.study.most_unscored,
        seed=STUDY.config.study.seed,
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


rule collect:
    """Gather all scores into one table, and all that was dropped into another."""
    input:
        scores=of_study(STUDY.scores),
        models=of_study(STUDY.all_trainings),
        manifests=of_study(STUDY.all_counted),
        validated=of_study(STUDY.all_validated),
        overlap=of_study(STUDY.all_overlaps),
        asked=of_study(STUDY.base_answers),
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
            --scores {input.scores:q} \
            --models {input.models:q} \
            --manifests {input.manifests:q} \
            --validated {input.validated:q} \
            --overlap {input.overlap:q} \
            --asked {input.asked:q} \
            --out-scores {output.scores:q} \
            --out-runs {output.runs:q}
        """
