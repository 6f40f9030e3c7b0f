"""Pairs and a start model become a trained model.

Takes: results/{study}/pairs/, the start model.
Gives: results/{study}/reference/, results/{study}/models/.
"""


rule reference:
    """Log-probabilities under a start model of what is trained on, once for all methods."""
    input:
        pairs="results/{study}/pairs/{base}/{rows}.parquet",
        stack=of_model(STUDY.stack),
    output:
        reference="results/{study}/reference/{base}/{recipe}/seed{seed}/{rows}.parquet",
    log:
        "logs/{study}/reference/{base}/{recipe}/seed{seed}/{rows}.log",
    benchmark:
        "logs/timing/{study}/reference/{base}/{recipe}/seed{seed}/{rows}.tsv"
    priority: 80
    conda:
        "../envs/train.yaml"
    params:
        precision=STUDY.reference_settings[0],
        micro_batch=STUDY.reference_settings[1],
        subsets=of(STUDY.reference_subsets, "base", "recipe", "seed", "rows"),
        data_seed=of(STUDY.rows_seed, "rows"),
        version=VERSIONS["reference"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid reference \
            --pairs {input.pairs:q} \
            --stack {input.stack:q} \
            --precision {params.precision:q} \
            --micro-batch {params.micro_batch:q} \
            --subsets {params.subsets:q} \
            --data-seed {params.data_seed:q} \
            --out {output.reference:q}
        """


rule kto_reference:
    """KTO's mismatched log-probabilities, valid for one order, subset and micro-batch."""
    input:
        pairs="results/{study}/pairs/{base}/{rows}.parquet",
        stack=of_model(STUDY.stack),
    output:
        reference="results/{study}/reference/{base}/{recipe}/seed{seed}/{rows}.kto-{key}.parquet",
    log:
        "logs/{study}/kto_reference/{base}/{recipe}/seed{seed}/{rows}.{key}.log",
    benchmark:
        "logs/timing/{study}/kto_reference/{base}/{recipe}/seed{seed}/{rows}.{key}.tsv"
    wildcard_constraints:
        key="[0-9a-f]{12}",
    priority: 80
    conda:
        "../envs/train.yaml"
    params:
        recipe=of(STUDY.kto_block, "key"),
        data_seed=of(STUDY.rows_seed, "rows"),
        version=VERSIONS["reference"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid kto-reference \
            --pairs {input.pairs:q} \
            --stack {input.stack:q} \
            --recipe {params.recipe:q} \
            --data-seed {params.data_seed:q} \
            --out {output.reference:q}
        """


rule train:
    """Train one model: a recipe from its start model, with one seed."""
    input:
        pairs=of_model(STUDY.pairs),
        stack=of_model(STUDY.start_stack),
        reference=of_model(STUDY.reference),
        kto_reference=of_model(STUDY.kto_reference),
    output:
        model=directory("results/{study}/models/{base}/{recipe}/seed{seed}"),
    log:
        "logs/{study}/train/{base}/{recipe}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/train/{base}/{recipe}/seed{seed}.tsv"
    wildcard_constraints:
        recipe=whole(STUDY.kept_at()[()]),
    priority: 70
    conda:
        "../envs/train.yaml"
    params:
        launcher=of(STUDY.recipe_launcher, "recipe"),
        recipe=of(STUDY.recipe_block, "recipe"),
        data_seed=of(STUDY.recipe_data_seed, "recipe"),
        version=VERSIONS["train"],
        checkpoints="results/{study}/cache/checkpoints",
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        {params.launcher} safegrid train \
            --pairs {input.pairs:q} \
            --stack {input.stack:q} \
            --reference {input.reference:q} \
            --kto-reference {input.kto_reference:q} \
            --recipe {params.recipe:q} \
            --seed {wildcards.seed:q} \
            --data-seed {params.data_seed:q} \
            --checkpoints {params.checkpoints:q} \
            --out {output.model:q}
        """


for kept, recipes in STUDY.kept_at().items():
    if kept:
        train_at(kept, recipes)
