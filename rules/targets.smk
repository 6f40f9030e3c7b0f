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
        of_study(STUDY.all_datasets),
        of_study(STUDY.all_prompts),
        of_study(STUDY.all_overlaps),


rule train_all:
    """All models."""
    input:
        of_study(STUDY.all_models),


rule generate_all:
    """All responses, capability results and likelihoods of known answers."""
    input:
        of_study(STUDY.all_responses),
        of_study(STUDY.all_capabilities),
        of_study(STUDY.all_likelihoods),


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
        f"results/{STUDY.name}/cost/cost.csv",


rule status:
    """The page of how the cells of the report stand."""
    input:
        f"results/{STUDY.name}/report/status.html",


rule judge_all:
    """All verdicts, and how good the judges are."""
    input:
        of_study(STUDY.all_verdicts),
        of_study(STUDY.all_validated),
