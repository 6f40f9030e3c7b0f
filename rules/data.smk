"""Raw files become datasets and prompts.

Takes: results/raw/{source}/.
Gives: results/{study}/datasets/, prompts/, pairs/, ids/, overlap/.
"""


rule prepare_dataset:
    """Keep the rows of sources that make preference pairs, or answered instructions."""
    input:
        raw=lambda w: sources.raw_files(
            STUDY, STUDY.config.study.datasets[w.dataset].rows_from
        ),
    output:
        dataset="results/{study}/datasets/{dataset}.parquet",
    log:
        "logs/{study}/prepare_dataset/{dataset}.log",
    benchmark:
        "logs/timing/{study}/prepare_dataset/{dataset}.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=lambda w: STUDY.config.study.datasets[w.dataset].model_dump_json(),
        sources=lambda w: sources.blocks(
            STUDY, STUDY.config.study.datasets[w.dataset].rows_from
        ),
        version=VERSIONS["prepare"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid prepare-dataset \
            --spec {params.spec:q} \
            --sources {params.sources:q} \
            --files {input.raw:q} \
            --out {output.dataset:q}
        """


rule prepare_prompts:
    """Turn a benchmark's raw rows into prompts."""
    input:
        raw=lambda w: sources.raw_files(STUDY, [STUDY.with_prompts[w.benchmark]]),
        plain=lambda w: sources.plain(STUDY, w.benchmark),
    output:
        prompts="results/{study}/prompts/{benchmark}.parquet",
    log:
        "logs/{study}/prepare_prompts/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/prepare_prompts/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=one_of(STUDY.with_prompts),
    # Before any model is asked, which is then asked everything in one go.
    priority: 500
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=lambda w: STUDY.with_prompts[w.benchmark].model_dump_json(),
        source=lambda w: sources.block(STUDY, STUDY.with_prompts[w.benchmark].source),
        version=VERSIONS["prepare"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid prepare-prompts \
            --benchmark {wildcards.benchmark:q} \
            --spec {params.spec:q} \
            --source {params.source:q} \
            --file {input.raw:q} \
            --plain {input.plain:q} \
            --out {output.prompts:q}
        """


rule overlap:
    """Find the prompts of a benchmark that stand in the datasets."""
    input:
        datasets=lambda w: gathered.all_datasets(STUDY),
        pools=lambda w: cells.prompts(STUDY, STUDY.generated),
        prompts="results/{study}/prompts/{benchmark}.parquet",
    output:
        overlap="results/{study}/overlap/{benchmark}.json",
    log:
        "logs/{study}/overlap/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/overlap/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=one_of(STUDY.with_overlap),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        version=VERSIONS["prepare"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid overlap \
            --datasets {input.datasets:q} \
            --pools {input.pools:q} \
            --prompts {input.prompts:q} \
            --out {output.overlap:q}
        """


rule tokenize:
    """Turn pairs into token ids; over-long ones are dropped and counted."""
    input:
        dataset=lambda w: trainings.dataset_file(STUDY, w.base, w.rows),
        base="results/bases/{base}",
    output:
        pairs="results/{study}/pairs/{base}/{rows}.parquet",
    log:
        "logs/{study}/tokenize/{base}/{rows}.log",
    benchmark:
        "logs/timing/{study}/tokenize/{base}/{rows}.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        max_length=lambda w: trainings.dataset_of(STUDY, w.rows).max_length,
        version=VERSIONS["tokenize"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid tokenize \
            --dataset {input.dataset:q} \
            --tokenizer {input.base:q} \
            --max-length {params.max_length:q} \
            --out {output.pairs:q}
        """


rule render:
    """Turn prompts into token ids through the base's chat template."""
    input:
        prompts="results/{study}/prompts/{benchmark}.parquet",
        base="results/bases/{base}",
    output:
        ids="results/{study}/ids/{base}/{benchmark}.parquet",
    log:
        "logs/{study}/render/{base}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/render/{base}/{benchmark}.tsv"
    priority: 500
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        version=VERSIONS["render"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid render \
            --prompts {input.prompts:q} \
            --tokenizer {input.base:q} \
            --out {output.ids:q}
        """
