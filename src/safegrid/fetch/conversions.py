"""Conversions to safetensors that the hub's own bot offers of models left as pickles.

The bot opens a pull request with the converted weights, which transformers too takes by
itself. Its commit holds all files of the branch beside them.
"""

import logging
from fnmatch import fnmatchcase

from huggingface_hub import HfApi, get_token
from huggingface_hub.hf_api import DatasetInfo, ModelInfo

from safegrid.fetch.choose import INDEX, PICKLES, WEIGHTS
from safegrid.fetch.hub import endpoint, repository

log = logging.getLogger(__name__)

Info = ModelInfo | DatasetInfo
BOT = "SFconvertbot"


def safe_weights(what: str, hub: str, info: Info) -> Info:
    """Return a model's repository at the commit that holds safetensors.

    Args:
        what: begins the warning that weights are not as their authors left them.
        hub: `owner/name`.
        info: the repository as its author left it, with the hashes of its files.

    Returns:
        `info` itself where it holds safetensors or nothing better is offered; else the
        bot's commit, if it was made from the very pickles that `info` holds.
    """
    pickled = _pickles(info)
    if not pickled or _has_safetensors(info):
        return info
    api = HfApi(endpoint=endpoint(), token=get_token() or False)
    for offer in api.get_repo_discussions(
        hub, author=BOT, discussion_type="pull_request", discussion_status="open"
    ):
        found = repository("model", hub, offer.git_reference)
        same = offer.author == BOT and _pickles(found) == pickled
        if same and _has_safetensors(found):
            log.warning(
                "%s: its authors left pickles only, which are not fetched; pinned as %s"
                " of the hub has converted them: commit %s, %s",
                *(what, BOT, found.sha, offer.url),
            )
            return found
    return info


def _has_safetensors(info: Info) -> bool:
    return any(file.rfilename in (INDEX, WEIGHTS) for file in info.siblings or [])


def _pickles(info: Info) -> dict[str, str]:
    """Return the hash of each large file that would be read as a pickle."""
    return {
        file.rfilename: file.lfs.sha256
        for file in info.siblings or []
        if file.lfs and any(fnmatchcase(file.rfilename, p) for p in PICKLES)
    }
