"""Run a notebook template with papermill and keep what it showed as one web page."""

from pathlib import Path

from safegrid.artifacts import atomic_file, write_text
from safegrid.errors import ConfigError


def run_notebook(template: Path, values: list[str], out: Path) -> None:
    """Execute a template and write `out` (.ipynb) and the page beside it (.html).

    Args:
        template: notebook without outputs, with a cell tagged `parameters`.
        values: `name=value` of its parameters, all text.
        out: the executed notebook.

    Raises:
        ConfigError: a value is not of that form, or the template has no such
            parameter.
    """
    import papermill
    from nbconvert import HTMLExporter

    parameters = _parameters(template, values)
    with atomic_file(out) as temporary:
        executed = papermill.execute_notebook(
            template,
            temporary,
            parameters,
            kernel_name="python3",
            progress_bar=False,
            # The temporary name has no suffix that papermill knows.
            autosave_cell_every=0,
        )
        # Readers of the page want its tables and figures; the notebook has the calls.
        exporter = HTMLExporter(embed_images=True, exclude_input=True)
        page, _ = exporter.from_notebook_node(executed)
        write_text(out.with_suffix(".html"), page)


def _parameters(template: Path, values: list[str]) -> dict[str, str]:
    import papermill

    pairs = dict(value.partition("=")[::2] for value in values)
    known = set(papermill.inspect_notebook(str(template)))
    odd = sorted(set(pairs) - known)
    if odd or not all("=" in value for value in values):
        raise ConfigError(
            f"{template}: got parameters {values}; expected name=value with names"
            f" of {sorted(known)}"
        )
    return pairs
