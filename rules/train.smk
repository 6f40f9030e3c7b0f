"""Pairs and a start model become a trained model.

Takes: results/{study}/pairs/, the start model.
Gives: results/{study}/reference/, results/{study}/models/.
"""


rule reference:
    """Log-probabilities under a start model of what is trained on, once for all methods."""
    input:
        pairs="results/{study}/pairs/{base}/{rows}.parquet",
        stack=lambda w: STUDY.stack(model_of(w)),
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
        precision=trainings.reference_settings(STUDY)[0],
        micro_batch=trainings.reference_settings(STUDY)[1],
        subsets=lambda w: json.dumps(trainings.subsets_read(STUDY, model_of(w), w.rows)),
        data_seed=lambda w: trainings.dataset_of(STUDY, w.rows).seed,
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
        stack=lambda w: STUDY.stack(model_of(w)),
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
        recipe=lambda w: trainings.kto_recipes(STUDY)[w.key].model_dump_json(),
        data_seed=lambda w: trainings.dataset_of(STUDY, w.rows).seed,
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
        pairs=lambda w: trainings.pairs(STUDY, model_of(w)),
        stack=lambda w: STUDY.stack(STUDY.parent(model_of(w))),
        reference=lambda w: trainings.reference(STUDY, model_of(w)),
        kto_reference=lambda w: trainings.kto_reference(STUDY, model_of(w)),
    output:
        model=directory("results/{study}/models/{base}/{recipe}/seed{seed}"),
    log:
        "logs/{study}/train/{base}/{recipe}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/train/{base}/{recipe}/seed{seed}.tsv"
    wildcard_constraints:
        recipe=whole(trainings.kept_at(STUDY)[()]),
    priority: 70
    conda:
        "../envs/train.yaml"
    params:
        launcher=lambda w: trainings.launcher(STUDY.recipe(w.recipe)),
        recipe=lambda w: STUDY.recipe(w.recipe).model_dump_json(),
        data_seed=lambda w: STUDY.config.study.datasets[
            STUDY.recipe(w.recipe).dataset
        ].seed,
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


for kept, recipes in trainings.kept_at(STUDY).items():
    if kept:
        train_at(kept, recipes)
