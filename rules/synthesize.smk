"""What models are asked and what they answer become the rows of datasets.

Takes: results/raw/{source}/, and the maker's responses/ and verdicts/.
Gives: results/{study}/prompts/ of corrections and of chosen answers,
results/{study}/generated/.
"""


rule best_of_k:
    """Keep the best of a model's answers to each prompt, by a judge's score."""
    input:
        prompts="results/{study}/prompts/{generated}.parquet",
        responses=lambda w: cells.all_answers(STUDY, made_from(w)),
        verdicts=lambda w: cells.verdicts(STUDY, *made_from(w)),
    output:
        dataset="results/{study}/generated/{base}/{generated}/seed{seed}.parquet",
    log:
        "logs/{study}/best_of_k/{base}/{generated}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/best_of_k/{base}/{generated}/seed{seed}.tsv"
    wildcard_constraints:
        generated=one_of(STUDY.best_of_k),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=lambda w: STUDY.generated[w.generated].model_dump_json(),
        version=VERSIONS["synthesize"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid best-of-k \
            --name {wildcards.generated:q} \
            --spec {params.spec:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --verdicts {input.verdicts:q} \
            --out {output.dataset:q}
        """


rule prepare_corrections:
    """Break unsafe answers off, for a model to correct itself."""
    input:
        raw=lambda w: sources.raw_files(STUDY, [STUDY.corrected[w.generated].requests]),
    output:
        prompts="results/{study}/prompts/{generated}.parquet",
    log:
        "logs/{study}/prepare_corrections/{generated}.log",
    benchmark:
        "logs/timing/{study}/prepare_corrections/{generated}.tsv"
    wildcard_constraints:
        generated=one_of(STUDY.corrected),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=lambda w: STUDY.corrected[w.generated].requests.model_dump_json(),
        source=lambda w: sources.block(
            STUDY, STUDY.corrected[w.generated].requests.source
        ),
        seed=lambda w: STUDY.config.study.datasets[w.generated].seed,
        version=VERSIONS["prepare"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid prepare-corrections \
            --name {wildcards.generated:q} \
            --spec {params.spec:q} \
            --source {params.source:q} \
            --seed {params.seed:q} \
            --file {input.raw:q} \
            --out {output.prompts:q}
        """


rule cut_prompt_pool:
    """Take one part of what a model is asked: memory is that of a part."""
    input:
        prompts="results/{study}/prompts/{generated}.parquet",
    output:
        prompts="results/{study}/prompts/{generated}/part{part}.parquet",
    log:
        "logs/{study}/cut_prompt_pool/{generated}/part{part}.log",
    benchmark:
        "logs/timing/{study}/cut_prompt_pool/{generated}/part{part}.tsv"
    wildcard_constraints:
        generated=one_of(STUDY.corrected),
        part=r"\d+",
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        shards=lambda w: STUDY.corrected[w.generated].shards,
        version=VERSIONS["prepare"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid cut-prompt-pool \
            --prompts {input.prompts:q} \
            --shards {params.shards:q} \
            --part {wildcards.part:q} \
            --out {output.prompts:q}
        """


rule corrections:
    """Rank a model's corrections of itself, as preference pairs."""
    input:
        prompts=lambda w: cells.prompts(
            STUDY, STUDY.generated[w.generated].pools(w.generated)
        ),
        responses=lambda w: cells.all_answers(STUDY, made_from(w)),
        verdicts=lambda w: cells.verdicts(STUDY, *made_from(w)),
    output:
        dataset="results/{study}/generated/{base}/{generated}/seed{seed}.parquet",
    log:
        "logs/{study}/corrections/{base}/{generated}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/corrections/{base}/{generated}/seed{seed}.tsv"
    wildcard_constraints:
        generated=one_of(STUDY.corrected),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=lambda w: STUDY.generated[w.generated].model_dump_json(),
        version=VERSIONS["synthesize"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid corrections \
            --name {wildcards.generated:q} \
            --spec {params.spec:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --verdicts {input.verdicts:q} \
            --out {output.dataset:q}
        """


rule prepare_chosen:
    """Take prompts with a chosen answer, for a model to give the rejected one."""
    input:
        raw=lambda w: sources.raw_files(
            STUDY, STUDY.rejected_by_model[w.generated].chosen
        ),
    output:
        prompts="results/{study}/prompts/{generated}.parquet",
    log:
        "logs/{study}/prepare_chosen/{generated}.log",
    benchmark:
        "logs/timing/{study}/prepare_chosen/{generated}.tsv"
    wildcard_constraints:
        generated=one_of(STUDY.rejected_by_model),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        parts=lambda w: [
            part.model_dump_json()
            for part in STUDY.rejected_by_model[w.generated].chosen
        ],
        sources=lambda w: sources.blocks(
            STUDY, STUDY.rejected_by_model[w.generated].chosen
        ),
        version=VERSIONS["prepare"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid prepare-chosen \
            --name {wildcards.generated:q} \
            --parts {params.parts:q} \
            --sources {params.sources:q} \
            --files {input.raw:q} \
            --out {output.prompts:q}
        """


rule rejected_by_model:
    """Prefer known answers to a model's own, as preference pairs."""
    input:
        prompts="results/{study}/prompts/{generated}.parquet",
        responses=lambda w: cells.all_answers(STUDY, made_from(w)),
    output:
        dataset="results/{study}/generated/{base}/{generated}/seed{seed}.parquet",
    log:
        "logs/{study}/rejected_by_model/{base}/{generated}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/rejected_by_model/{base}/{generated}/seed{seed}.tsv"
    wildcard_constraints:
        generated=one_of(STUDY.rejected_by_model),
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=lambda w: STUDY.generated[w.generated].model_dump_json(),
        version=VERSIONS["synthesize"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid rejected-by-model \
            --name {wildcards.generated:q} \
            --spec {params.spec:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --out {output.dataset:q}
        """
