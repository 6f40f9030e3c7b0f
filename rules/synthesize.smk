"""Answers and verdicts become the rows of a dataset that a model makes.

Takes: results/{study}/prompts/, responses/, verdicts/ of the model that makes it.
Gives: results/{study}/made/.
"""


rule best_of_k:
    """Keep the best of a model's answers to each prompt, by a judge's score."""
    input:
        prompts="results/{study}/prompts/{made}.parquet",
        responses=pool_responses,
        verdicts=pool_verdicts,
    output:
        dataset="results/{study}/made/{base}/{made}/seed{seed}.parquet",
    log:
        "logs/{study}/best_of_k/{base}/{made}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/best_of_k/{base}/{made}/seed{seed}.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=made_block,
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
