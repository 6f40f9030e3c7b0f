"""Run a notebook template with papermill and keep what it showed as one web page."""

import os
from pathlib import Path
from typing import Any

import papermill
from nbconvert import HTMLExporter, NotebookExporter

from safegrid.core.errors import ConfigError
from safegrid.core.files import write_text
from safegrid.report.kernel import JobKernel


def run_notebook(template: Path, values: list[str], out: Path) -> None:
    """Execute a template and write `out` (.ipynb) and the page beside it (.html).

    Args:
        template: notebook without outputs, with a cell tagged `parameters`.
        values: `name=value` of its parameters, all text; variables of the environment
            (`$SAFEGRID_HOME`) are filled in.
        out: the executed notebook.

    Raises:
        ConfigError: a value is not of that form, or the template has no such
            parameter.
    """
    pairs = dict(value.partition("=")[::2] for value in values)
    known = sorted(papermill.inspect_notebook(str(template)))
    if set(pairs) - set(known) or not all("=" in value for value in values):
        raise ConfigError(
            f"{template}: got parameters {values}; expected name=value with names"
            f" of {known}"
        )
    given = {name: os.path.expandvars(value) for name, value in pairs.items()}
    executed = papermill.execute_notebook(
        template,
        None,
        given,
        kernel_name="python3",
        kernel_manager_class=JobKernel,
        progress_bar=False,
    )
    # Readers of the page want its tables and figures; the notebook has the calls.
    pages: Any = HTMLExporter
    page, _ = pages(embed_images=True, exclude_input=True).from_notebook_node(executed)
    write_text(out.with_suffix(".html"), page)
    notebooks: Any = NotebookExporter
    write_text(out, notebooks().from_notebook_node(executed)[0])
