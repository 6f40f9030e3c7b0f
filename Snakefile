"""safegrid: a method x benchmark grid for LLM safety alignment, as a workflow."""

from snakemake.utils import min_version

min_version("9.0")


report: "docs/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/miniworld.smk"
include: "rules/fetch.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/generate.smk"
include: "rules/judge.smk"
include: "rules/synthesize.smk"
include: "rules/capability.smk"
include: "rules/score.smk"
include: "rules/report_common.smk"
include: "rules/report.smk"
include: "rules/named_cells.smk"
include: "rules/targets.smk"
include: "rules/hooks.smk"


rule all:
    """The whole study, to its report."""
    input:
        lambda w: gathered.all_cell_manifests(STUDY),
        # Asked for by name: what only a finished report needs is not missed when it is gone.
        all_tables,
        all_figures,
        report=f"results/{STUDY.name}/report/report.html",


onstart:
    check_places()
    check_prerequisites()
    follow_owner()
    record_owner()
    fork_jobs()
    drop_job_rate()
    tell_stale()


onsuccess:
    stop_engines()
    print_rates()


onerror:
    stop_engines()
