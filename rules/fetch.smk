"""Files from upstream, as the lock says, and models that are converted from one file.

Takes: config/sources.lock.yaml; the user's own folder `sources_dir`.
Gives: results/raw/{source}/, results/bases/{base}, results/judges/{judge},
results/encoders/{encoder}, results/gguf/.

The rules that fetch are the only ones that use the network. What is fetched is named by
its hashes, which are params: no version number is needed.
"""


# A rule that is made of another one does not take over that it is local.
localrules:
    fetch_judge,
    fetch_encoder,
    fetch_gguf,


rule fetch_source:
    """Fetch one file of a source; the manifest last."""
    input:
        local=lambda w: local(UPSTREAMS.item("source", w.source).local(w.file)),
    output:
        file="results/raw/{source}/{file}",
        manifest="results/raw/{source}/{file}.manifest.json",
    log:
        "logs/fetch_source/{source}/{file}.log",
    benchmark:
        "logs/timing/fetch_source/{source}/{file}.tsv"
    wildcard_constraints:
        source=one_of(UPSTREAMS.names("source")),
        file=one_of(UPSTREAMS.source_files),
    # Before all else: what cannot be had fails at once, not when its turn comes.
    priority: 1000
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=lambda w: UPSTREAMS.item("source", w.source).block(w.file),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        HF_HUB_OFFLINE=0 python -m safegrid fetch-source \
            --spec {params.spec:q} \
            --file {wildcards.file:q} \
            --local {input.local:q} \
            --out {output.file:q} \
            --manifest {output.manifest:q}
        """


rule fetch_base:
    """Fetch the folder of a base: safetensors, settings, tokenizer, template."""
    input:
        local=lambda w: local(UPSTREAMS.item("base", w.base).local()),
    output:
        model=directory("results/bases/{base}"),
    log:
        "logs/fetch_base/{base}.log",
    benchmark:
        "logs/timing/fetch_base/{base}.tsv"
    wildcard_constraints:
        base=one_of(UPSTREAMS.names("base")),
    priority: 1000
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        spec=lambda w: UPSTREAMS.item("base", w.base).block(),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        HF_HUB_OFFLINE=0 python -m safegrid fetch-model \
            --spec {params.spec:q} \
            --local {input.local:q} \
            --out {output.model:q}
        """


use rule fetch_base as fetch_judge with:
    input:
        local=lambda w: local(UPSTREAMS.item("judge", w.judge).local()),
    output:
        model=directory("results/judges/{judge}"),
    log:
        "logs/fetch_judge/{judge}.log",
    benchmark:
        "logs/timing/fetch_judge/{judge}.tsv"
    wildcard_constraints:
        judge=one_of(UPSTREAMS.names("judge")),
    params:
        spec=lambda w: UPSTREAMS.item("judge", w.judge).block(),


use rule fetch_base as fetch_encoder with:
    input:
        local=lambda w: local(UPSTREAMS.item("encoder", w.encoder).local()),
    output:
        model=directory("results/encoders/{encoder}"),
    log:
        "logs/fetch_encoder/{encoder}.log",
    benchmark:
        "logs/timing/fetch_encoder/{encoder}.tsv"
    wildcard_constraints:
        encoder=one_of(UPSTREAMS.names("encoder")),
    params:
        spec=lambda w: UPSTREAMS.item("encoder", w.encoder).block(),


use rule fetch_base as fetch_gguf with:
    # The one file that a model is: quantised weights with their tokenizer.
    input:
        local=lambda w: local(UPSTREAMS.converted[w.model].local()),
    output:
        model=directory("results/gguf/{model}"),
    log:
        "logs/fetch_gguf/{model}.log",
    benchmark:
        "logs/timing/fetch_gguf/{model}.tsv"
    wildcard_constraints:
        model=one_of(UPSTREAMS.converted),
    params:
        spec=lambda w: UPSTREAMS.converted[w.model].block(),


rule convert_gguf:
    """Convert such a file to a model's folder: safetensors, tokenizer, template."""
    input:
        folder="results/gguf/{model}",
    output:
        model=directory("results/{model}"),
    log:
        "logs/convert_gguf/{model}.log",
    benchmark:
        "logs/timing/convert_gguf/{model}.tsv"
    wildcard_constraints:
        model=one_of(UPSTREAMS.converted),
    priority: 900
    conda:
        "../envs/engine.yaml"
    params:
        file=lambda w: UPSTREAMS.converted[w.model].gguf,
        template=lambda w: UPSTREAMS.converted[w.model].template or "",
        version=VERSIONS["convert"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid convert-gguf \
            --gguf {input.folder:q}/{params.file:q} \
            --template {params.template:q} \
            --out {output.model:q}
        """
