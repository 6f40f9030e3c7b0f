"""What a model can still do: lm-evaluation-harness as a client of the engine, and how
likely it finds known answers.

Takes: a model, task files of a source, results/{study}/prompts/.
Gives: results/{study}/capability/, results/{study}/likelihoods/.
"""


rule capability:
    """Run a suite of lm-evaluation-harness tasks on one model."""
    input:
        stack=lambda w: STUDY.stack(model_of(w)),
        task_files=lambda w: sources.task_files(STUDY, w.benchmark),
    output:
        results="results/{study}/capability/{base}/{recipe}/seed{seed}/{benchmark}.json",
    log:
        "logs/{study}/capability/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/capability/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
    priority: lambda w: STUDY.priorities[model_of(w)]
    retries: ENGINE_RETRIES
    conda:
        "../envs/engine.yaml"
    params:
        tasks=lambda w: STUDY.suites[w.benchmark].tasks,
        blocks=lambda w: json.dumps(sources.task_blocks(STUDY, w.benchmark)),
        limit=lambda w: STUDY.suites[w.benchmark].limit or "",
        engine=lambda w: STUDY.engine(w.base).model_dump_json(),
        benchmark_version=lambda w: STUDY.suites[w.benchmark].version,
        version=VERSIONS["capability"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid capability \
            --suite {wildcards.benchmark:q} \
            --tasks {params.tasks:q} \
            --blocks {params.blocks:q} \
            --task-files {input.task_files:q} \
            --limit {params.limit} \
            --stack {input.stack:q} \
            --engine {params.engine:q} \
            --out {output.results:q}
        """


rule reference_likelihood:
    """Read how likely a model finds the known answers of a benchmark."""
    input:
        stack=lambda w: STUDY.stack(model_of(w)),
        prompts="results/{study}/prompts/{benchmark}.parquet",
    output:
        likelihoods="results/{study}/likelihoods/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
    log:
        "logs/{study}/reference_likelihood/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/reference_likelihood/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=one_of(STUDY.likelihoods),
    priority: lambda w: STUDY.priorities[model_of(w)]
    retries: ENGINE_RETRIES
    conda:
        "../envs/engine.yaml"
    params:
        engine=lambda w: STUDY.engine(w.base).model_dump_json(),
        benchmark_version=lambda w: STUDY.asked[w.benchmark].version,
        version=VERSIONS["capability"],
        cache="results/{study}/cache/likelihood/{base}/{recipe}/seed{seed}/{benchmark}",
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid reference-likelihood \
            --stack {input.stack:q} \
            --prompts {input.prompts:q} \
            --engine {params.engine:q} \
            --benchmark-version {params.benchmark_version:q} \
            --cache {params.cache:q} \
            --out {output.likelihoods:q}
        """
