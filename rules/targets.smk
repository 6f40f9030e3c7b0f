"""Named targets: one for each stage, so that a run can stop there."""


localrules:
    all,
    prepare_data,
    train_all,
    generate_all,
    judge_all,
    tables,
    figures,
    cost,
    status,
    cell,
    cells,


rule cell:
    """One cell, by name: --config recipe=... benchmark=... (and base, seed)."""
    input:
        cell_files,


rule cells:
    """All cells that fit: --config with some of recipe, method, benchmark, base, seed."""
    input:
        cells_files,


rule prepare_data:
    """All datasets, prompts and their overlap."""
    input:
        all_datasets,
        all_prompts,
        all_overlaps,


rule train_all:
    """All models."""
    input:
        all_models,


rule generate_all:
    """All responses and capability results."""
    input:
        all_responses,
        all_capabilities,


rule tables:
    """All tables."""
    input:
        all_tables,


rule figures:
    """All figures."""
    input:
        all_figures,


rule cost:
    """What the jobs took, beside what the plan said."""
    input:
        cost_page,


rule status:
    """The page of how the cells of the report stand."""
    input:
        f"results/{STUDY.name}/report/status.html",


rule judge_all:
    """All verdicts, and how good the judges are."""
    input:
        all_verdicts,
        all_measured,
