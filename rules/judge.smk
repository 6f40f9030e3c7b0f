"""Responses become verdicts; a judge itself is validated on labelled rows.

Takes: results/{study}/responses/, a judge's model (rules and files have none).
Gives: results/{study}/verdicts/, and below results/{study}/ validated/, heads/,
calibrated/, stress/, agreement/.
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
        encoder=lambda w: judges.encoder(STUDY, w.judge),
        rows=lambda w: judges.head_rows(STUDY, w.judge),
    output:
        head="results/{study}/heads/{judge}.json",
    log:
        "logs/{study}/text_head/{judge}.log",
    benchmark:
        "logs/timing/{study}/text_head/{judge}.tsv"
    wildcard_constraints:
        judge=one_of(judges.heads(STUDY)),
    priority: lambda w: judges.priority(STUDY, w.judge)
    retries: ENGINE_RETRIES
    conda:
        "../envs/engine.yaml"
    params:
        judge=lambda w: STUDY.config.judges[w.judge].head().model_dump_json(),
        formats=lambda w: judges.head_formats(STUDY, w.judge),
        engine=lambda w: judges.engine(STUDY, w.judge),
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
        stack=lambda w: judges.stack(STUDY, w.judge, w.base),
        prompts="results/{study}/prompts/{benchmark}.parquet",
        responses="results/{study}/responses/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
        verdicts_file=lambda w: judges.verdicts_file(STUDY, w.judge),
        calibration=lambda w: judges.calibration(STUDY, w.judge, w.base),
    output:
        verdicts="results/{study}/verdicts/{judge}/{base}/{recipe}/seed{seed}/{benchmark}.parquet",
    log:
        "logs/{study}/judge/{judge}/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/judge/{judge}/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
    priority: lambda w: judges.priority(STUDY, w.judge)
    retries: ENGINE_RETRIES
    conda:
        "../envs/engine.yaml"
    params:
        judge=lambda w: STUDY.config.judges[w.judge].spec().model_dump_json(),
        cell=lambda w: cells.names(STUDY, cell_of(w)),
        engine=lambda w: judges.engine(STUDY, w.judge, w.base),
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
        stack=lambda w: judges.stack(STUDY, w.judge),
        labelled=lambda w: judges.labelled(STUDY, w.judge),
    output:
        validated="results/{study}/validated/{judge}.json",
    log:
        "logs/{study}/validate_judge/{judge}.log",
    benchmark:
        "logs/timing/{study}/validate_judge/{judge}.tsv"
    priority: lambda w: judges.priority(STUDY, w.judge)
    retries: ENGINE_RETRIES
    conda:
        "../envs/engine.yaml"
    params:
        judge=lambda w: STUDY.config.judges[w.judge].spec().model_dump_json(),
        labelled_format=lambda w: judges.labelled_format(STUDY, w.judge),
        engine=lambda w: judges.engine(STUDY, w.judge),
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
        stack=lambda w: judges.stack(STUDY, w.judge, w.base),
        datasets=lambda w: gathered.all_datasets(STUDY),
        labelled=lambda w: judges.labelled(STUDY, w.judge),
    output:
        calibration="results/{study}/calibrated/{judge}/{base}.json",
    log:
        "logs/{study}/calibrate/{judge}/{base}.log",
    benchmark:
        "logs/timing/{study}/calibrate/{judge}/{base}.tsv"
    priority: lambda w: judges.priority(STUDY, w.judge)
    retries: ENGINE_RETRIES
    conda:
        "../envs/engine.yaml"
    params:
        judge=lambda w: STUDY.config.judges[w.judge].spec().model_dump_json(),
        labelled_format=lambda w: judges.labelled_format(STUDY, w.judge),
        engine=lambda w: judges.engine(STUDY, w.judge, w.base),
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


rule judge_stress:
    """Ask a judge again on a sample of answers, each put another way."""
    input:
        stack=lambda w: judges.stack(STUDY, w.judge),
        prompts=lambda w: cells.prompts(STUDY, judges.benchmarks(STUDY, w.judge)),
        responses=lambda w: cells.all_answers(STUDY, judges.cells(STUDY, w.judge)),
        verdicts=lambda w: [
            f"{STUDY.root}/verdicts/{w.judge}/{cell.path}.parquet"
            for cell in judges.cells(STUDY, w.judge)
        ],
    output:
        stress="results/{study}/stress/{judge}.parquet",
    log:
        "logs/{study}/judge_stress/{judge}.log",
    benchmark:
        "logs/timing/{study}/judge_stress/{judge}.tsv"
    wildcard_constraints:
        judge=one_of(judges.stressed(STUDY)),
    priority: lambda w: judges.priority(STUDY, w.judge)
    retries: ENGINE_RETRIES
    conda:
        "../envs/engine.yaml"
    params:
        judge=lambda w: STUDY.config.judges[w.judge].spec().model_dump_json(),
        answers=STUDY.config.study.stress_answers,
        seed=STUDY.config.study.seed,
        engine=lambda w: judges.engine(STUDY, w.judge),
        version=VERSIONS["judge_stress"],
        cache="results/{study}/cache/judge_stress/{judge}",
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid judge-stress \
            --judge {params.judge:q} \
            --stack {input.stack:q} \
            --prompts {input.prompts:q} \
            --responses {input.responses:q} \
            --verdicts {input.verdicts:q} \
            --answers {params.answers:q} \
            --seed {params.seed:q} \
            --engine {params.engine:q} \
            --cache {params.cache:q} \
            --out {output.stress:q}
        """


rule agreement:
    """Two judges of one kind on the same answers: how far they agree, and where not."""
    input:
        first=lambda w: judges.verdicts_beside(STUDY, w.judge, w.second),
        second=lambda w: judges.verdicts_beside(STUDY, w.second, w.judge),
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
        positive=lambda w: judges.positive(STUDY, w.judge),
        code=code_hash("safegrid.judge.agreement"),
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
        files=lambda w: cells.model_verdicts(STUDY, model_of(w)),
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
        files=lambda w: cells.model_answers(STUDY, model_of(w)),
    output:
        cell_manifest="results/{study}/cell_manifests/{base}/{recipe}/seed{seed}/answers.json",
    log:
        "logs/{study}/cell_manifest_answers/{base}/{recipe}/seed{seed}.log",
    benchmark:
        "logs/timing/{study}/cell_manifest_answers/{base}/{recipe}/seed{seed}.tsv"


use rule cell_manifest_verdicts as cell_manifest_cell with:
    # What one cell was answered and judged, for whoever asks for it by name.
    input:
        files=lambda w: cells.made_of(STUDY, cell_of(w)),
    output:
        cell_manifest="results/{study}/cell_manifests/{base}/{recipe}/seed{seed}/cells/{benchmark}.json",
    log:
        "logs/{study}/cell_manifest_cell/{base}/{recipe}/seed{seed}/{benchmark}.log",
    benchmark:
        "logs/timing/{study}/cell_manifest_cell/{base}/{recipe}/seed{seed}/{benchmark}.tsv"
