"""The miniature world: raw files, a base and judges trained from nothing.

Takes: a world of config/worlds.yaml.
Gives: results/raw/{world}-*/, results/bases/{world}-*, results/judges/{world}-*.
"""

# Every file of a world's tokenizer; a job finds no other beside them.
TOKENIZER = multiext(
    "results/raw/{world}-corpus/tokenizer/",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


rule build_world:
    """Write the world's raw files in the formats of the real sets."""
    output:
        documents="results/raw/{world}-corpus/documents.jsonl",
        corpus=in_world(
            "corpus",
            "tokenizer/tokenizer.json",
            "tokenizer/tokenizer_config.json",
            "tokenizer/chat_template.jinja",
        ),
        preferences=in_world("pku", "train.jsonl", "dev.jsonl"),
        alert=in_world("alert", "alert.jsonl", "alert_adversarial.jsonl", "dev.jsonl"),
        toxicity=in_world("toxicity", "prompts.jsonl"),
        xstest=in_world("xstest", "xstest_prompts.csv", "dev.csv"),
        judging=in_world("judging", *in_two_parts("guard", "toxicity", "refusal")),
        tasks=in_world("tasks", *of_tasks("math", "instructions", "facts", "reasoning")),
        questions=in_world(
            "questions",
            "boolq.jsonl",
            "openbookqa.jsonl",
            "piqa.jsonl",
            "single_word.jsonl",
        ),
        instructions=in_world("instructions", "train.json", "test.json"),
        safety=in_world("safety", "safety_only.json"),
        sets=in_world(
            "sets",
            "I-CoNa.json",
            "I-MaliciousInstructions.json",
            "I-Controversial.json",
            "I-PhysicalSafetyUnsafe.json",
            "I-PhysicalSafetySafe.json",
            "Q-Harm.json",
            "I-Alpaca.json",
        ),
        reward=in_world("reward-rows", "train.jsonl", "test.jsonl"),
        harmfulness=in_world("harmfulness-rows", "train.jsonl", "test.jsonl"),
    log:
        "logs/build_world/{world}.log",
    benchmark:
        "logs/timing/build_world/{world}.tsv"
    conda:
        "../envs/train.yaml"
    params:
        world=world_of,
        version=VERSIONS["miniworld"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        documents={output.documents:q}
        python -m safegrid build-world \
            --world {params.world:q} \
            --out "${{documents%/*/*}}"
        """


rule gather_texts:
    """Gather the real text that a world's base learns beside the world's own."""
    input:
        files=lambda w: sources.raw_files(STUDY, STUDY.config.worlds[w.world].texts),
    output:
        documents="results/raw/{world}-text/documents.jsonl",
        manifest="results/raw/{world}-text/manifest.json",
    log:
        "logs/gather_texts/{world}.log",
    benchmark:
        "logs/timing/gather_texts/{world}.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        version=VERSIONS["prepare"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid gather-texts \
            --files {input.files:q} \
            --out {output.documents:q} \
            --out-manifest {output.manifest:q}
        """


rule train_base:
    """Train the base: a small decoder with a chat template, from nothing."""
    input:
        documents="results/raw/{world}-corpus/documents.jsonl",
        tokenizer=TOKENIZER,
        text=branch(
            lambda w: STUDY.config.worlds[w.world].text,
            then="results/raw/{world}-text/documents.jsonl",
        ),
    output:
        base=directory("results/bases/{world}-{size}"),
    log:
        "logs/train_base/{world}-{size}.log",
    benchmark:
        "logs/timing/train_base/{world}-{size}.tsv"
    priority: 100
    conda:
        "../envs/train.yaml"
    params:
        world=world_of,
        version=VERSIONS["miniworld"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid train-base \
            --world {params.world:q} \
            --documents {input.documents:q} \
            --text {input.text:q} \
            --out {output.base:q}
        """


rule build_corrections:
    """Write answers that correct themselves, or do not, with their labels."""
    output:
        train="results/raw/{world}-correction-rows/train.jsonl",
        others=in_world("correction-rows", "test.jsonl"),
    log:
        "logs/build_corrections/{world}.log",
    benchmark:
        "logs/timing/build_corrections/{world}.tsv"
    conda:
        "../envs/train.yaml"
    params:
        world=world_of,
        version=VERSIONS["miniworld"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        train={output.train:q}
        python -m safegrid build-corrections \
            --world {params.world:q} \
            --out "${{train%/*}}"
        """


rule train_judge:
    """Train a guard, a classifier, a reward model, a harmfulness regression, or a
    correction judge."""
    input:
        rows=branch(
            lambda w: w.kind in ("reward", "harmfulness", "correction"),
            then="results/raw/{world}-{kind}-rows/train.jsonl",
            otherwise=lambda w: (
                f"results/raw/{w.world}-judging/{w.kind.rpartition('_')[2]}_train.jsonl"
            ),
        ),
        tokenizer=TOKENIZER,
    output:
        judge=directory("results/judges/{world}-{kind}"),
    log:
        "logs/train_judge/{world}-{kind}.log",
    benchmark:
        "logs/timing/train_judge/{world}-{kind}.tsv"
    wildcard_constraints:
        kind="guard|place_guard|style_guard|toxicity|refusal|reward|harmfulness|correction",
    priority: 90
    conda:
        "../envs/train.yaml"
    params:
        world=world_of,
        version=VERSIONS["miniworld"],
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        tokenizer={input.tokenizer[0]:q}
        python -m safegrid train-judge \
            --world {params.world:q} \
            --judge {wildcards.kind:q} \
            --rows {input.rows:q} \
            --tokenizer "${{tokenizer%/*}}" \
            --out {output.judge:q}
        """
