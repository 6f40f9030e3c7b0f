"""The cells that a user named: their files, how they are forced and grouped.

Takes: the options of `--config` (`safegrid.study.selection`).
Gives: what targets `cell` and `cells` ask for.
"""


def cell_files(wildcards):
    selected(SELECTION.cell)
    return cells_files(wildcards)


def cells_files(wildcards):
    """Make the cells' files again under `force=true`, and nothing they are made of.

    `--forcerun RULE` would make other cells' files again too: every cell is set
    against its base's.
    """
    one_job_a_cell()
    files = selected(SELECTION.files)
    if SELECTION.forced:
        workflow.dag.forcefiles.update(files)
    return files


def one_job_a_cell():
    """Let a cluster's profile, which groups jobs by model, group asked cells by cell.

    Called while jobs are planned: before that Snakemake does not know its groups.
    """
    settings = workflow.group_settings
    if settings.overwrite_groups and SELECTION.by_benchmark:
        rules = ["generate", "capability", "reference_likelihood", "judge"]
        rules += ["cell_manifest_cell"]
        name = "cell_{base}_{recipe}_{seed}_{benchmark}"
        settings.overwrite_groups = {
            **settings.overwrite_groups,
            **dict.fromkeys(rules, name),
        }


def selected(choose):
    """Ask a selection, in Snakemake's own kind of error."""
    try:
        return choose()
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
