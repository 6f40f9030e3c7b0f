"""Scores become tables, figures and one report.

Takes: results/{study}/scores.parquet, runs.parquet, frontier/, comparisons/, stress/,
cell_manifests/, models/, results/bases/.
Gives: results/{study}/tables/, figures/, cost/, notebooks/, report/.

Notebooks are calls and sentences; what they compute sits in the package. So a rule's
params hold the hash of its notebook and of the code that the notebook calls: editing
how figures are drawn reruns figures, and nothing else.
"""

INPUTS = {
    "scores": "results/{study}/scores.parquet",
    "runs": "results/{study}/runs.parquet",
    "lines": lambda w: gathered.all_lines(STUDY),
    "comparisons": lambda w: gathered.all_comparisons(STUDY),
    "stress": lambda w: gathered.all_stressed(STUDY),
    "bases": lambda w: gathered.all_bases(STUDY),
    "models": lambda w: gathered.all_trainings(STUDY),
    "cell_manifests": lambda w: gathered.all_cell_manifests(STUDY),
    # Where results lie in a bucket the job has its inputs and nothing else.
    "lengths": lambda w: gathered.all_lengths(STUDY),
}

# One rule for each page of pages.yaml that the study has.
for page in PAGES.values():

    rule:
        name:
            page.rule
        input:
            **{key: INPUTS[key] for key in page.inputs},
        output:
            **figure_files(page.figures),
            tables=table_files(page),
            notebook=f"results/{{study}}/notebooks/{page.notebook}.ipynb",
            page=page_file(page),
        log:
            f"logs/{{study}}/{page.rule}.log",
        benchmark:
            f"logs/timing/{{study}}/{page.rule}.tsv"
        localrule: True
        conda:
            "../envs/light.yaml"
        params:
            template=f"{page.notebook}.ipynb",
            values=notebook_values(page),
            code=notebook_code(page),
        shell:
            r"""
            exec > >(tee {log:q}) 2>&1
            python -m safegrid notebook \
                --template "$SAFEGRID_HOME"/notebooks/{params.template:q} \
                --values {params.values:q} \
                --out {output.notebook:q}
            """


rule status_page:
    """How the cells stand that the report shows: done or refused, and what is unscored."""
    input:
        scores=lambda w: gathered.all_scores(STUDY),
    output:
        page=report(
            "results/{study}/report/status.html",
            category="Status",
            caption="../docs/captions/status.rst",
        ),
    log:
        "logs/{study}/status_page.log",
    benchmark:
        "logs/timing/{study}/status_page.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=code_hash("safegrid.report.status", files=(STATUS_PAGE,)),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid status-page \
            --study {wildcards.study:q} \
            --scores {input.scores:q} \
            --out {output.page:q}
        """


rule report:
    """One HTML file with all tables and figures, for whoever has only that file."""
    input:
        tables=all_tables,
        figures=all_figures,
        cost="results/{study}/cost/cost.csv",
        status="results/{study}/report/status.html",
    output:
        report="results/{study}/report/report.html",
    log:
        "logs/{study}/report.log",
    benchmark:
        "logs/timing/{study}/report.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        # Of a run before this one that failed.
        partial="results/{study}/partial",
        # Copies of its own: those of this run are not to be removed.
        storage=[*STORAGE, "--local-storage-prefix", ".snakemake/report"],
        sources_dir=GIVEN.sources_dir or "",
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        snakemake --snakefile "$SAFEGRID_HOME/Snakefile" --nolock \
            --config study={wildcards.study:q} sources_dir={params.sources_dir:q} \
            {params.storage:q} --report {output.report:q} -- tables figures cost status
        rm -rf {params.partial:q} .snakemake/report
        """


rule report_partial:
    """What the finished cells allow; every blank with its reason. Never up to date."""

    # No output and no timing either: a timing's file would count as up to date.
    log:
        f"logs/{STUDY.name}/report_partial.log",
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        study=STUDY.name,
        scores=partial_scores,
        lines=lambda w: gathered.all_lines(STUDY),
        comparisons=lambda w: gathered.all_comparisons(STUDY),
        stress=lambda w: gathered.all_stressed(STUDY),
        derived=lambda w: gathered.all_derived(STUDY),
        axes=lambda w: json.dumps(AXES),
        bases=lambda w: gathered.all_bases(STUDY),
        models=lambda w: gathered.all_trainings(STUDY),
        manifests=lambda w: gathered.all_counted(STUDY),
        validated=lambda w: gathered.all_validated(STUDY),
        overlap=lambda w: cells.overlap(STUDY, STUDY.with_overlap),
        asked=lambda w: gathered.base_answers(STUDY),
        sources_dir=GIVEN.sources_dir or "",
        gathered=f"results/{STUDY.name}/scores.parquet",
        plan=f"results/{STUDY.name}/partial/plan.txt",
        published=str(PUBLISHED.relative_to(BASEDIR)),
        out=f"results/{STUDY.name}/partial",
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        mkdir -p {params.out:q}
        snakemake --snakefile "$SAFEGRID_HOME/Snakefile" --nolock --dry-run \
            --config study={params.study:q} sources_dir={params.sources_dir:q} \
            -- {params.gathered:q} {params.lines:q} {params.comparisons:q} \
            {params.stress:q} {params.derived:q} \
            >{params.plan:q}
        python -m safegrid collect-finished \
            --plan {params.plan:q} \
            --models {params.models:q} \
            --manifests {params.manifests:q} \
            --validated {params.validated:q} \
            --overlap {params.overlap:q} \
            --asked {params.asked:q} \
            --out-runs {params.out:q}/runs.parquet
        python -m safegrid report-partial \
            --study {params.study:q} \
            --scores {params.scores:q} \
            --runs {params.out:q}/runs.parquet \
            --lines {params.lines:q} \
            --comparisons {params.comparisons:q} \
            --stress {params.stress:q} \
            --derived {params.derived:q} \
            --axes {params.axes:q} \
            --bases {params.bases:q} \
            --plan {params.plan:q} \
            --published "$SAFEGRID_HOME"/{params.published:q} \
            --out {params.out:q}
        """
