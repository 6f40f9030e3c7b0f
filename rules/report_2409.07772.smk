"""The pages of arXiv 2409.07772: its numbers beside ours, and its Figure 1.

Takes: results/{study}/scores.parquet, config/published/2409.07772.csv.
Gives: results/{study}/tables/published.*, figures/figure_1.*.
"""

PAPER_TABLES = ("published",)
PAPER_FIGURES = ("figure_1",)


# A rule that is made from another one does not take over that it is light.
localrules:
    figure_1,


use rule write_tables as figure_1 with:
    # The paper's numbers beside ours; its Figure 1 with this study's bars.
    input:
        scores="results/{study}/scores.parquet",
    output:
        **figure_files(*PAPER_FIGURES),
        tables=table_files(*PAPER_TABLES),
        notebook="results/{study}/notebooks/5_figure_1.ipynb",
        page=report(
            "results/{study}/notebooks/5_figure_1.html",
            category="Tables",
            caption="../docs/captions/published.rst",
        ),
    log:
        "logs/{study}/figure_1.log",
    benchmark:
        "logs/timing/{study}/figure_1.tsv"
    params:
        template="5_figure_1.ipynb",
        values=notebook_values("scores", "published", "tables", "figures"),
        code=notebook_code(
            "5_figure_1.ipynb",
            "safegrid.report.alignment.figure_1",
            "safegrid.report.alignment.published_beside",
            "safegrid.report.style",
            "safegrid.report.writing",
            files=[PUBLISHED],
        ),
