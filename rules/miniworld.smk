"""The miniature world: raw files, a base and judges grown from nothing.

Takes: a world of config/worlds.yaml.
Gives: results/raw/{world}-*/, results/bases/{world}-base, results/judges/{world}-*.
"""


rule grow_world:
    """Write the world's raw files in the formats of the real sets."""
    output:
        documents="results/raw/{world}-corpus/documents.jsonl",
    log:
        "logs/grow_world/{world}.log",
    benchmark:
        "logs/timing/grow_world/{world}.tsv"
    conda:
        "../envs/train.yaml"
    params:
        world=world_block,
        version=VERSIONS["grow"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid grow-world \
          --world {params.world:q} \
          --out results/raw
        """


rule grow_base:
    """Grow the base: a small decoder with a chat template, trained from nothing."""
    input:
        documents="results/raw/{world}-corpus/documents.jsonl",
    output:
        base=directory("results/bases/{world}-base"),
    log:
        "logs/grow_base/{world}.log",
    benchmark:
        "logs/timing/grow_base/{world}.tsv"
    conda:
        "../envs/train.yaml"
    params:
        world=world_block,
        version=VERSIONS["grow"],
    priority: 100
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid grow-base \
          --world {params.world:q} \
          --documents {input.documents:q} \
          --out {output.base:q}
        """


rule grow_judge:
    """Grow a guard, a toxicity classifier or a refusal classifier."""
    input:
        rows="results/raw/{world}-judging/{kind}_train.jsonl",
    output:
        judge=directory("results/judges/{world}-{kind}"),
    wildcard_constraints:
        kind="guard|toxicity|refusal",
    log:
        "logs/grow_judge/{world}-{kind}.log",
    benchmark:
        "logs/timing/grow_judge/{world}-{kind}.tsv"
    conda:
        "../envs/train.yaml"
    params:
        world=world_block,
        version=VERSIONS["grow"],
    priority: 90
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid grow-judge \
          --world {params.world:q} \
          --judge {wildcards.kind:q} \
          --rows {input.rows:q} \
          --out {output.judge:q}
        """
