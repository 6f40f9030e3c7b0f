"""Scores become tables, figures and one report.

Takes: results/{study}/scores.parquet, runs.parquet, frontier/, cell_manifests/, models/.
Gives: results/{study}/tables/, figures/, cost/, notebooks/, report/.

What a study's paper has of its own is in `report_{number}.smk`.

Notebooks are calls and sentences; what they compute sits in the package. So a rule's
params hold the hash of its notebook and of the code that the notebook calls: editing
how figures are drawn reruns figures, and nothing else.
"""


# A rule that is made from another one does not take over that it is light.
localrules:
    heat_maps,
    trade_offs,
    frontier_figures,
    training_curves,
    compare_costs,


rule write_tables:
    """All tables, as csv, Markdown and LaTeX."""
    input:
        scores="results/{study}/scores.parquet",
        runs="results/{study}/runs.parquet",
    output:
        tables=table_files(*TABLES),
        notebook="results/{study}/notebooks/1_tables.ipynb",
        page=report(
            "results/{study}/notebooks/1_tables.html",
            category="Tables",
            caption="../docs/captions/tables.rst",
        ),
    log:
        "logs/{study}/write_tables.log",
    benchmark:
        "logs/timing/{study}/write_tables.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        template="1_tables.ipynb",
        values=notebook_values("scores", "runs", "tables"),
        code=notebook_code(
            "1_tables.ipynb",
            "safegrid.report.facts",
            "safegrid.report.tables",
            "safegrid.report.writing",
        ),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid notebook \
            --template "$SAFEGRID_HOME"/notebooks/{params.template:q} \
            --values {params.values:q} \
            --out {output.notebook:q}
        """


use rule write_tables as heat_maps with:
    # Safety by category, attack success by attack.
    input:
        scores="results/{study}/scores.parquet",
    output:
        **figure_files("categories", "attacks"),
        notebook="results/{study}/notebooks/2_categories_and_attacks.ipynb",
        page="results/{study}/notebooks/2_categories_and_attacks.html",
    log:
        "logs/{study}/heat_maps.log",
    benchmark:
        "logs/timing/{study}/heat_maps.tsv"
    params:
        template="2_categories_and_attacks.ipynb",
        values=notebook_values("scores", "figures"),
        code=notebook_code(
            "2_categories_and_attacks.ipynb",
            "safegrid.report.heat",
            "safegrid.report.style",
        ),


use rule write_tables as trade_offs with:
    # What safety costs in capability and in harmless requests, with Pareto fronts.
    input:
        scores="results/{study}/scores.parquet",
    output:
        **figure_files(
            "trade_off_capability",
            "trade_off_over_refusal",
            "trade_off_coherent_capability",
            "trade_off_coherent_benign_lost",
        ),
        notebook="results/{study}/notebooks/3_trade_off.ipynb",
        page="results/{study}/notebooks/3_trade_off.html",
    log:
        "logs/{study}/trade_offs.log",
    benchmark:
        "logs/timing/{study}/trade_offs.tsv"
    params:
        template="3_trade_off.ipynb",
        values=notebook_values("scores", "figures"),
        code=notebook_code(
            "3_trade_off.ipynb",
            "safegrid.report.trade_off",
            "safegrid.report.style",
        ),


use rule write_tables as frontier_figures with:
    # Safety against loss along every training, and what it buys at given losses.
    input:
        lines=lambda w: gathered.all_lines(STUDY),
    output:
        **figure_files(*LINES),
        tables=table_files(*BOUGHT),
        notebook="results/{study}/notebooks/9_frontier.ipynb",
        page=report(
            "results/{study}/notebooks/9_frontier.html",
            category="Tables",
            caption="../docs/captions/safety_bought.rst",
        ),
    log:
        "logs/{study}/frontier_figures.log",
    benchmark:
        "logs/timing/{study}/frontier_figures.tsv"
    params:
        template="9_frontier.ipynb",
        values=notebook_values("lines", "tables", "figures"),
        code=notebook_code(
            "9_frontier.ipynb",
            "safegrid.report.bought",
            "safegrid.report.frontier",
            "safegrid.report.style",
            "safegrid.report.writing",
        ),


use rule write_tables as training_curves with:
    # Loss, log-probabilities and margins of every training.
    input:
        runs="results/{study}/runs.parquet",
    output:
        **figure_files("curves_loss", "curves_likelihoods", "curves_margins"),
        notebook="results/{study}/notebooks/4_training_curves.ipynb",
        page="results/{study}/notebooks/4_training_curves.html",
    log:
        "logs/{study}/training_curves.log",
    benchmark:
        "logs/timing/{study}/training_curves.tsv"
    params:
        template="4_training_curves.ipynb",
        values=notebook_values("runs", "figures"),
        code=notebook_code(
            "4_training_curves.ipynb",
            "safegrid.report.curves",
            "safegrid.report.style",
        ),


use rule write_tables as compare_costs with:
    # What the jobs took, beside what the plan said.
    input:
        models=lambda w: gathered.all_trainings(STUDY),
        cell_manifests=lambda w: gathered.all_cell_manifests(STUDY),
        # Where results lie in a bucket the job has its inputs and nothing else.
        lengths=lambda w: gathered.all_lengths(STUDY),
    output:
        tables=expand("results/{{study}}/cost/cost.{kind}", kind=["csv", "md", "tex"]),
        notebook="results/{study}/notebooks/6_cost.ipynb",
        page=report(
            "results/{study}/notebooks/6_cost.html",
            category="Cost",
            caption="../docs/captions/cost.rst",
        ),
    log:
        "logs/{study}/compare_costs.log",
    benchmark:
        "logs/timing/{study}/compare_costs.tsv"
    params:
        template="6_cost.ipynb",
        values=notebook_values("study", "config", "root", "cost"),
        code=notebook_code(
            "6_cost.ipynb",
            "safegrid.report.cost",
            "safegrid.report.writing",
            files=[GPUS, ASSUMPTIONS],
        ),


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
            -- {params.gathered:q} {params.lines:q} >{params.plan:q}
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
            --plan {params.plan:q} \
            --published "$SAFEGRID_HOME"/{params.published:q} \
            --out {params.out:q}
        """
