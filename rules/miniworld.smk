"""The miniature world: raw files, a base and judges trained from nothing.

Takes: a world of config/worlds.yaml.
Gives: results/raw/{world}-*/, results/bases/{world}-base, results/judges/{world}-*.
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
        tokenizer="results/raw/{world}-corpus/tokenizer/tokenizer.json",
        tokenizer_config="results/raw/{world}-corpus/tokenizer/tokenizer_config.json",
        chat_template="results/raw/{world}-corpus/tokenizer/chat_template.jinja",
        pku_train="results/raw/{world}-pku/train.jsonl",
        pku_dev="results/raw/{world}-pku/dev.jsonl",
        alert="results/raw/{world}-alert/alert.jsonl",
        alert_adversarial="results/raw/{world}-alert/alert_adversarial.jsonl",
        alert_dev="results/raw/{world}-alert/dev.jsonl",
        toxicity="results/raw/{world}-toxicity/prompts.jsonl",
        xstest="results/raw/{world}-xstest/xstest_prompts.csv",
        xstest_dev="results/raw/{world}-xstest/dev.csv",
        guard_train="results/raw/{world}-judging/guard_train.jsonl",
        guard_test="results/raw/{world}-judging/guard_test.jsonl",
        toxicity_train="results/raw/{world}-judging/toxicity_train.jsonl",
        toxicity_test="results/raw/{world}-judging/toxicity_test.jsonl",
        refusal_train="results/raw/{world}-judging/refusal_train.jsonl",
        refusal_test="results/raw/{world}-judging/refusal_test.jsonl",
        math="results/raw/{world}-tasks/{world}_math.yaml",
        math_rows="results/raw/{world}-tasks/{world}_math.jsonl",
        dev_math="results/raw/{world}-tasks/dev/{world}_dev_math.yaml",
        dev_math_rows="results/raw/{world}-tasks/dev/{world}_dev_math.jsonl",
        instructions="results/raw/{world}-tasks/{world}_instructions.yaml",
        instructions_rows="results/raw/{world}-tasks/{world}_instructions.jsonl",
        dev_instructions="results/raw/{world}-tasks/dev/{world}_dev_instructions.yaml",
        dev_instructions_rows="results/raw/{world}-tasks/dev/{world}_dev_instructions.jsonl",
        facts="results/raw/{world}-tasks/{world}_facts.yaml",
        facts_rows="results/raw/{world}-tasks/{world}_facts.jsonl",
        dev_facts="results/raw/{world}-tasks/dev/{world}_dev_facts.yaml",
        dev_facts_rows="results/raw/{world}-tasks/dev/{world}_dev_facts.jsonl",
        reasoning="results/raw/{world}-tasks/{world}_reasoning.yaml",
        reasoning_rows="results/raw/{world}-tasks/{world}_reasoning.jsonl",
        dev_reasoning="results/raw/{world}-tasks/dev/{world}_dev_reasoning.yaml",
        dev_reasoning_rows="results/raw/{world}-tasks/dev/{world}_dev_reasoning.jsonl",
        boolq="results/raw/{world}-questions/boolq.jsonl",
        openbookqa="results/raw/{world}-questions/openbookqa.jsonl",
        piqa="results/raw/{world}-questions/piqa.jsonl",
        single_word="results/raw/{world}-questions/single_word.jsonl",
        instructions_train="results/raw/{world}-instructions/train.json",
        instructions_test="results/raw/{world}-instructions/test.json",
        safety="results/raw/{world}-safety/safety_only.json",
        cona="results/raw/{world}-sets/I-CoNa.json",
        malicious="results/raw/{world}-sets/I-MaliciousInstructions.json",
        controversial="results/raw/{world}-sets/I-Controversial.json",
        physical_unsafe="results/raw/{world}-sets/I-PhysicalSafetyUnsafe.json",
        physical_safe="results/raw/{world}-sets/I-PhysicalSafetySafe.json",
        harm_questions="results/raw/{world}-sets/Q-Harm.json",
        alpaca="results/raw/{world}-sets/I-Alpaca.json",
        reward_train="results/raw/{world}-reward-rows/train.jsonl",
        reward_test="results/raw/{world}-reward-rows/test.jsonl",
        harmfulness_train="results/raw/{world}-harmfulness-rows/train.jsonl",
        harmfulness_test="results/raw/{world}-harmfulness-rows/test.jsonl",
        manifests=expand(
            "results/raw/{{world}}-{source}/manifest.json",
            source=[
                "alert",
                "corpus",
                "harmfulness-rows",
                "instructions",
                "judging",
                "pku",
                "questions",
                "reward-rows",
                "safety",
                "sets",
                "tasks",
                "toxicity",
                "xstest",
            ],
        ),
    log:
        "logs/build_world/{world}.log",
    benchmark:
        "logs/timing/build_world/{world}.tsv"
    conda:
        "../envs/train.yaml"
    params:
        world=lambda w: STUDY.config.worlds[w.world].model_dump_json(exclude_none=True),
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
        files=lambda w: sources.raw_files(
            STUDY, STUDY.config.worlds[w.world].text.files
        ),
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
        base=directory("results/bases/{world}-base"),
    log:
        "logs/train_base/{world}.log",
    benchmark:
        "logs/timing/train_base/{world}.tsv"
    priority: 100
    conda:
        "../envs/train.yaml"
    params:
        world=lambda w: STUDY.config.worlds[w.world].model_dump_json(exclude_none=True),
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
        test="results/raw/{world}-correction-rows/test.jsonl",
        manifest="results/raw/{world}-correction-rows/manifest.json",
    log:
        "logs/build_corrections/{world}.log",
    benchmark:
        "logs/timing/build_corrections/{world}.tsv"
    conda:
        "../envs/train.yaml"
    params:
        world=lambda w: STUDY.config.worlds[w.world].model_dump_json(exclude_none=True),
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
            otherwise="results/raw/{world}-judging/{kind}_train.jsonl",
        ),
        tokenizer=TOKENIZER,
    output:
        judge=directory("results/judges/{world}-{kind}"),
    log:
        "logs/train_judge/{world}-{kind}.log",
    benchmark:
        "logs/timing/train_judge/{world}-{kind}.tsv"
    wildcard_constraints:
        kind="guard|toxicity|refusal|reward|harmfulness|correction",
    priority: 90
    conda:
        "../envs/train.yaml"
    params:
        world=lambda w: STUDY.config.worlds[w.world].model_dump_json(exclude_none=True),
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
