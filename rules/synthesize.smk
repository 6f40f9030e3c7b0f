"""What models are asked and what they answer become the rows of datasets.

Takes: results/raw/{source}/, and the maker's responses/ and verdicts/.
Gives: results/{study}/prompts/ of corrections and of chosen answers,
results/{study}/made/.
"""


rule best_of_k:
    """Keep the best of a model's answers to each prompt, by a judge's score."""
    input:
        prompts="results/{study}/prompts/{made}.parquet",
        responses=of(STUDY.made_responses, "made", "base", "seed"),
        verdicts=of(STUDY.made_verdicts, "made", "base", "seed"),
    output:
        dataset="results/{study}/made/{base}/{made}/seed{seed}.parquet",
    log:
        "logs/{study}/best_of_k/{base}/{made}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/best_of_k/{base}/{made}/seed{seed}.tsv"
    wildcard_constraints:
        made=one_of(STUDY.best_of_k),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=of(STUDY.made_block, "made"),
        version=VERSIONS["synthesize"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid best-of-k \
            --name {wildcards.made:q} \
            --spec {params.spec:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --verdicts {input.verdicts:q} \
            --out {output.dataset:q}
        """


rule prepare_corrections:
    """Break unsafe answers off, for a model to correct itself."""
    input:
        raw=of(STUDY.corrections_file, "made"),
    output:
        prompts="results/{study}/prompts/{made}.parquet",
    log:
        "logs/{study}/prepare_corrections/{made}.log",
    benchmark:
        "logs/timing/{study}/prepare_corrections/{made}.tsv"
    wildcard_constraints:
        made=one_of(STUDY.corrected),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=of(STUDY.requests_block, "made"),
        source=of(STUDY.corrections_source, "made"),
        seed=of(STUDY.rows_seed, "made"),
        version=VERSIONS["prepare"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid prepare-corrections \
            --name {wildcards.made:q} \
            --spec {params.spec:q} \
            --source {params.source:q} \
            --seed {params.seed:q} \
            --file {input.raw:q} \
            --out {output.prompts:q}
        """


rule cut_pool:
    """Take one part of what a model is asked: memory is that of a part."""
    input:
        prompts="results/{study}/prompts/{made}.parquet",
    output:
        prompts="results/{study}/prompts/{made}/part{part}.parquet",
    log:
        "logs/{study}/cut_pool/{made}/part{part}.log",
    benchmark:
        "logs/timing/{study}/cut_pool/{made}/part{part}.tsv"
    wildcard_constraints:
        made=one_of(STUDY.corrected),
        part=r"\d+",
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        shards=of(STUDY.shards, "made"),
        version=VERSIONS["prepare"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid cut-pool \
            --prompts {input.prompts:q} \
            --shards {params.shards:q} \
            --part {wildcards.part:q} \
            --out {output.prompts:q}
        """


rule corrections:
    """Rank a model's corrections of itself, as preference pairs."""
    input:
        prompts=of(STUDY.made_prompts, "made"),
        responses=of(STUDY.made_responses, "made", "base", "seed"),
        verdicts=of(STUDY.made_verdicts, "made", "base", "seed"),
    output:
        dataset="results/{study}/made/{base}/{made}/seed{seed}.parquet",
    log:
        "logs/{study}/corrections/{base}/{made}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/corrections/{base}/{made}/seed{seed}.tsv"
    wildcard_constraints:
        made=one_of(STUDY.corrected),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=of(STUDY.made_block, "made"),
        version=VERSIONS["synthesize"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid corrections \
            --name {wildcards.made:q} \
            --spec {params.spec:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --verdicts {input.verdicts:q} \
            --out {output.dataset:q}
        """


rule prepare_chosen:
    """Take prompts with a chosen answer, for a model to give the rejected one."""
    input:
        raw=of(STUDY.chosen_files, "made"),
    output:
        prompts="results/{study}/prompts/{made}.parquet",
    log:
        "logs/{study}/prepare_chosen/{made}.log",
    benchmark:
        "logs/timing/{study}/prepare_chosen/{made}.tsv"
    wildcard_constraints:
        made=one_of(STUDY.rejected_by_model),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        parts=of(STUDY.chosen_blocks, "made"),
        sources=of(STUDY.chosen_sources, "made"),
        version=VERSIONS["prepare"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid prepare-chosen \
            --name {wildcards.made:q} \
            --parts {params.parts:q} \
            --sources {params.sources:q} \
            --files {input.raw:q} \
            --out {output.prompts:q}
        """


rule rejected_by_model:
    """Prefer known answers to a model's own, as preference pairs."""
    input:
        prompts="results/{study}/prompts/{made}.parquet",
        responses=of(STUDY.made_responses, "made", "base", "seed"),
    output:
        dataset="results/{study}/made/{base}/{made}/seed{seed}.parquet",
    log:
        "logs/{study}/rejected_by_model/{base}/{made}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/rejected_by_model/{base}/{made}/seed{seed}.tsv"
    wildcard_constraints:
        made=one_of(STUDY.rejected_by_model),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=of(STUDY.made_block, "made"),
        version=VERSIONS["synthesize"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid rejected-by-model \
            --name {wildcards.made:q} \
            --spec {params.spec:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --out {output.dataset:q}
        """
