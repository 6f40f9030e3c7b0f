"""Instructions with their answers as documents that a base is trained on."""

import json
import logging
from pathlib import Path

from safegrid.core.artifacts import manifest, write_result
from safegrid.core.files import write_text
from safegrid.data import instructions
from safegrid.readers.plain import is_blank
from safegrid.readers.problems import Problems

log = logging.getLogger(__name__)


def gather_texts(files: list[Path], out: Path, out_manifest: Path) -> None:
    """Write every answered instruction of some files as a document.

    Args:
        files: of format `instructions`.
        out: JSON lines of `messages`: a user's turn and the answer to it.
        out_manifest: what was kept and dropped; written last.

    Raises:
        DataError: a file is broken.
    """
    lines, unanswered = [], 0
    for file in files:
        problems = Problems(file)
        for row in instructions.read(file, problems):
            if is_blank(row.response):
                unanswered += 1
            else:
                lines.append(_document(row.prompt, row.response))
        problems.raise_any()
    write_text(out, "".join(lines))
    inputs = {str(number): file for number, file in enumerate(files)}
    dropped = {"empty_response": unanswered} if unanswered else {}
    facts = manifest("prepare", inputs, {}, rows=len(lines), dropped=dropped)
    write_result(out_manifest, facts)
    log.info("%d documents of %d files, dropped %s", len(lines), len(files), dropped)


def _document(prompt: str, response: str) -> str:
    turns = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": response},
    ]
    return json.dumps({"messages": turns}, ensure_ascii=False) + "\n"
