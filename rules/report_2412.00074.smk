"""The pages of Safe to Serve (arXiv 2412.00074): its tables and figures from our scores.

Takes: results/{study}/scores.parquet, config/published/2412.00074.csv.
Gives: results/{study}/tables/, figures/: those that are named below.
"""

PAPER_TABLES = (
    "sit",
    "raft_rewards",
    "raft_iterations",
    "dpo",
    "helpfulness",
    "all_methods",
)
PAPER_FIGURES = ("figure_4", "figure_5", "figure_6", "figure_8")


# A rule that is made from another one does not take over that it is light.
localrules:
    safe_to_serve,


use rule write_tables as safe_to_serve with:
    # SIT by rows, RAFT by reward and by iteration, DPO by pairs, and what they cost.
    input:
        scores="results/{study}/scores.parquet",
    output:
        **figure_files(*PAPER_FIGURES),
        tables=table_files(*PAPER_TABLES),
        notebook="results/{study}/notebooks/7_safe_to_serve.ipynb",
        page=report(
            "results/{study}/notebooks/7_safe_to_serve.html",
            category="Tables",
            caption="../docs/captions/safe_to_serve.rst",
        ),
    log:
        "logs/{study}/safe_to_serve.log",
    benchmark:
        "logs/timing/{study}/safe_to_serve.tsv"
    params:
        template="7_safe_to_serve.ipynb",
        values=notebook_values("scores", "published", "tables", "figures"),
        code=notebook_code(
            "7_safe_to_serve.ipynb",
            "safegrid.report.safe_to_serve.tables",
            "safegrid.report.safe_to_serve.figures",
            "safegrid.report.style",
            "safegrid.report.writing",
            files=[PUBLISHED],
        ),
