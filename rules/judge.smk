"""Responses become verdicts; a judge itself is validated on labelled rows.

Takes: results/{study}/responses/, a judge's model (rules and files have none).
Gives: results/{study}/verdicts/, and below results/{study}/ validated/, heads/,
calibrated/, agreement/.
"""

# They end a group of jobs where there are groups, and are light.
if not GROUPED:

    localrules:
        agreement,
        cell_manifest_answers,
        cell_manifest_verdicts,
        cell_manifest_cell,


rule text_head:
    """Train a text head on labelled rows, and validate it on whole files left out."""
    input:
        encoder=of(STUDY.head_encoder, "judge"),
        rows=of(STUDY.head_rows, "judge"),
    output:
        head="results/{study}/heads/{judge}.json",
    log:
        "logs/{study}/text_head/{judge}.log",
    benchmark:
        "logs/timing/{study}/text_head/{judge}.tsv"
    wildcard_constraints:
        judge=one_of(STUDY.heads),
    priority: of(STUDY.judge_priority, "judge")
    # An engine can die of what is not the head's fault; vectors that it gave are kept.
    retries: 1
    conda:
        "../envs/engine.yaml"
    params:
        judge=of(STUDY.head_block, "judge"),
        formats=of(STUDY.head_formats, "judge"),
        engine=of(STUDY.own_engine, "judge"),
        version=VERSIONS["text_head"],
        cache="results/{study}/cache/text_head/{judge}",
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid text-head \
            --judge {params.judge:q} \
            --encoder {input.encoder:q} \
            --rows {input.rows:q} \
            --formats {params.formats:q} \
            --engine {params.engine:q} \
            --cache {params.cache:q} \
            --out {output.head:q}
        """


rule judge:
    """Turn the responses of one cell into the verdicts of one judge."""
    input:
        stack=of(STUDY.judge_stack, "judge", "base"),
        prompts="results/{study}/prompts/{benchmark}.parquet",
        responses="results/{study}/responses/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
        verdicts_file=of(STUDY.verdicts_file, "judge"),
        calibration=of(STUDY.calibration, "judge", "base"),
    output:
        verdicts="results/{study}/verdicts/{judge}/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
    log:
        "logs/{study}/judge/{judge}/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/judge/{judge}/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
    priority: of(STUDY.judge_priority, "judge")
    # An engine can die of what is not the cell's fault; answers that it gave are kept.
    retries: 1
    conda:
        "../envs/engine.yaml"
    params:
        judge=of(STUDY.judge_block, "judge"),
        cell=of_cell(STUDY.cell_block),
        engine=of(STUDY.judge_engine, "judge", "base"),
        version=VERSIONS["judge"],
        cache="results/{study}/cache/judge/{judge}/{base}/{recipe}/seed{seed}/{benchmark}",
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid judge \
            --judge {params.judge:q} \
            --stack {input.stack:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --verdicts-file {input.verdicts_file:q} \
            --calibration {input.calibration:q} \
            --cell {params.cell:q} \
            --engine {params.engine:q} \
            --cache {params.cache:q} \
            --out {output.verdicts:q}
        """


rule validate_judge:
    """Measure a judge on labelled rows that it did not train on."""
    input:
        stack=of(STUDY.validated_stack, "judge"),
        labelled=of(STUDY.labelled, "judge"),
    output:
        validated="results/{study}/validated/{judge}.json",
    log:
        "logs/{study}/validate_judge/{judge}.log",
    benchmark:
        "logs/timing/{study}/validate_judge/{judge}.tsv"
    priority: of(STUDY.judge_priority, "judge")
    # An engine can die of what is not the cell's fault; answers that it gave are kept.
    retries: 1
    conda:
        "../envs/engine.yaml"
    params:
        judge=of(STUDY.judge_block, "judge"),
        labelled_format=of(STUDY.labelled_format, "judge"),
        engine=of(STUDY.own_engine, "judge"),
        version=VERSIONS["validate_judge"],
        cache="results/{study}/cache/validate_judge/{judge}",
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid validate-judge \
            --judge {params.judge:q} \
            --stack {input.stack:q} \
            --labelled {input.labelled:q} \
            --labelled-format {params.labelled_format:q} \
            --engine {params.engine:q} \
            --cache {params.cache:q} \
            --out {output.validated:q}
        """


rule calibrate:
    """Fix the threshold of a fluency judge under a base, and test it on other texts."""
    input:
        stack=of(STUDY.judge_stack, "judge", "base"),
        datasets=of_study(STUDY.all_datasets),
        labelled=of(STUDY.refusals, "judge"),
    output:
        calibration="results/{study}/calibrated/{judge}/{base}.json",
    log:
        "logs/{study}/calibrate/{judge}/{base}.log",
    benchmark:
        "logs/timing/{study}/calibrate/{judge}/{base}.tsv"
    priority: of(STUDY.judge_priority, "judge")
    # An engine can die of what is not the cell's fault; answers that it gave are kept.
    retries: 1
    conda:
        "../envs/engine.yaml"
    params:
        judge=of(STUDY.judge_block, "judge"),
        labelled_format=of(STUDY.labelled_format, "judge"),
        engine=of(STUDY.judge_engine, "judge", "base"),
        seed=STUDY.config.study.seed,
        version=VERSIONS["calibrate"],
        cache="results/{study}/cache/calibrate/{judge}/{base}",
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid calibrate \
            --judge {params.judge:q} \
            --stack {input.stack:q} \
            --datasets {input.datasets:q} \
            --labelled {input.labelled:q} \
            --labelled-format {params.labelled_format:q} \
            --engine {params.engine:q} \
            --seed {params.seed:q} \
            --cache {params.cache:q} \
            --out {output.calibration:q}
        """


rule agreement:
    """Two judges of refusals on the same answers: how far they agree, and where not."""
    input:
        first=of(STUDY.compared_verdicts, "judge", "second"),
        second=of(STUDY.compared_with, "second", "judge"),
    output:
        agreement="results/{study}/agreement/{judge}/{second}.json",
        disagreeing="results/{study}/agreement/{judge}/{second}.csv",
    log:
        "logs/{study}/agreement/{judge}/{second}.log",
    benchmark:
        "logs/timing/{study}/agreement/{judge}/{second}.tsv"
    wildcard_constraints:
        second=one_of(STUDY.config.judges),
    priority: 60
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        positive=of(STUDY.positive_class, "judge"),
        code=code_hash("safegrid.judge.beside"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid agreement \
            --first {input.first:q} \
            --second {input.second:q} \
            --positive {params.positive:q} \
            --out {output.agreement:q} \
            --disagreeing {output.disagreeing:q}
        """


rule cell_manifest_verdicts:
    """What a model was judged to be: the end of its verdicts, in one job on a cluster."""
    input:
        files=of_model(STUDY.model_verdicts),
    output:
        cell_manifest="results/{study}/cell_manifests/{base}/{recipe}/seed{seed}/verdicts.json",
    log:
        "logs/{study}/cell_manifest_verdicts/{base}/{recipe}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/cell_manifest_verdicts/{base}/{recipe}/seed{seed}.tsv"
    priority: 60
    conda:
        "../envs/light.yaml"
    params:
        code=code_hash("safegrid.workflow.cell_manifest", files=(GPUS,)),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid cell-manifest \
            --files {input.files:q} \
            --config "$SAFEGRID_HOME"/config \
            --out {output.cell_manifest:q}
        """


use rule cell_manifest_verdicts as cell_manifest_answers with:
    # What a model answered, capability included.
    input:
        files=of_model(STUDY.model_answers),
    output:
        cell_manifest="results/{study}/cell_manifests/{base}/{recipe}/seed{seed}/answers.json",
    log:
        "logs/{study}/cell_manifest_answers/{base}/{recipe}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/cell_manifest_answers/{base}/{recipe}/seed{seed}.tsv"


use rule cell_manifest_verdicts as cell_manifest_cell with:
    # What one cell was answered and judged, for whoever asks for it by name.
    input:
        files=of_cell(STUDY.made_of),
    output:
        cell_manifest="results/{study}/cell_manifests/{base}/{recipe}/seed{seed}/cells/{benchmark}.json",
    log:
        "logs/{study}/cell_manifest_cell/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/cell_manifest_cell/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
