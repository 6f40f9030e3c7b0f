"""The pages of Course-Correction (arXiv 2407.16637): turning away, and what it costs.

Takes: results/{study}/scores.parquet, config/published/2407.16637.csv.
Gives: results/{study}/tables/, figures/: those that are named below.
"""

PAPER_TABLES = ("corr", "before_after", "against_base", "refusals")
PAPER_FIGURES = ("corr_curves", "refusals_now_and_later")


# A rule that is made from another one does not take over that it is light.
localrules:
    course_correction,


use rule write_tables as course_correction with:
    # Corr@k by turn, refusals at once beside corrections later, before and after, differences.
    input:
        scores="results/{study}/scores.parquet",
    output:
        **figure_files(*PAPER_FIGURES),
        tables=table_files(*PAPER_TABLES),
        notebook="results/{study}/notebooks/8_course_correction.ipynb",
        page=report(
            "results/{study}/notebooks/8_course_correction.html",
            category="Tables",
            caption="../docs/captions/course_correction.rst",
        ),
    log:
        "logs/{study}/course_correction.log",
    benchmark:
        "logs/timing/{study}/course_correction.tsv"
    params:
        template="8_course_correction.ipynb",
        values=notebook_values("scores", "published", "tables", "figures"),
        code=notebook_code(
            "8_course_correction.ipynb",
            "safegrid.report.course_correction.tables",
            "safegrid.report.course_correction.figures",
            "safegrid.report.style",
            "safegrid.report.writing",
            files=[PUBLISHED],
        ),
