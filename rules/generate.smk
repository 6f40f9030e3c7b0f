"""A model and prompts become responses.

Takes: results/{study}/ids/, a model.
Gives: results/{study}/responses/.
"""


rule generate:
    """Ask a model for its responses to one benchmark."""
    input:
        stack=of_model(STUDY.stack),
        ids="results/{study}/ids/{base}/{benchmark}.parquet",
        # Code of others that searches in beams; for most answers there is none.
        search=of(STUDY.search_files, "benchmark"),
    output:
        responses="results/{study}/responses/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
    log:
        "logs/{study}/generate/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/generate/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
    priority: of_model(STUDY.model_priority)
    # An engine can die of what is not the cell's fault; answers that it gave are kept.
    retries: 1
    conda:
        "../envs/engine.yaml"
    params:
        decode=of(STUDY.decode_block, "benchmark"),
        engine=of(STUDY.engine_block, "base"),
        seed=STUDY.config.study.seed,
        benchmark_version=of(STUDY.asked_version, "benchmark"),
        version=VERSIONS["generate"],
        cache="results/{study}/cache/generate/{base}/{recipe}/seed{seed}/{benchmark}",
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid generate \
            --stack {input.stack:q} \
            --ids {input.ids:q} \
            --search {input.search:q} \
            --decode {params.decode:q} \
            --engine {params.engine:q} \
            --seed {params.seed:q} \
            --benchmark-version {params.benchmark_version:q} \
            --cache {params.cache:q} \
            --out {output.responses:q}
        """
