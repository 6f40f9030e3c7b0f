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
        lambda w: gathered.all_datasets(STUDY),
        lambda w: cells.prompts(STUDY, STUDY.with_overlap),
        lambda w: cells.overlap(STUDY, STUDY.with_overlap),


rule train_all:
    """All models."""
    input:
        lambda w: gathered.all_models(STUDY),


rule generate_all:
    """All responses, capability results and likelihoods of known answers."""
    input:
        lambda w: cells.all_answers(STUDY, STUDY.cells(STUDY.config.benchmarks)),


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
        lambda w: cells.verdicts(STUDY, *STUDY.cells(STUDY.prompted)),
        lambda w: gathered.all_validated(STUDY),
        lambda w: gathered.all_stressed(STUDY),
