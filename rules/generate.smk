"""A model and prompts become responses.

Takes: results/{study}/ids/, a model.
Gives: results/{study}/responses/.
"""


rule generate:
    """Ask a model for its responses to one benchmark."""
    input:
        stack=lambda w: STUDY.stack(model_of(w)),
        ids="results/{study}/ids/{base}/{benchmark}.parquet",
        # Code of others that searches in beams; for most answers there is none.
        search=lambda w: sources.search_files(STUDY, w.benchmark),
    output:
        responses="results/{study}/responses/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
    log:
        "logs/{study}/generate/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/generate/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
    priority: lambda w: STUDY.priorities[model_of(w)]
    retries: ENGINE_RETRIES
    conda:
        "../envs/engine.yaml"
    params:
        decode=lambda w: STUDY.asked[w.benchmark].decode.model_dump_json(),
        engine=lambda w: STUDY.engine(w.base).model_dump_json(),
        seed=STUDY.config.study.seed,
        benchmark_version=lambda w: STUDY.asked[w.benchmark].version,
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
