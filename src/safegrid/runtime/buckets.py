"""A bucket in the place of a shared disk: what Snakemake's S3 plugin needs mended."""

from typing import Any


def look_again_for_folders() -> None:
    """Let the S3 plugin see folders that a pod has made.

    The plugin (0.3.6) remembers for a whole run that a folder was not there when jobs
    were planned, so a model that a pod has trained since counts as missing.
    """
    from snakemake_storage_plugin_s3 import StorageObject

    remembered = StorageObject.is_dir

    def is_dir(self: Any) -> bool:
        self._is_dir = self._is_dir or None
        return bool(remembered(self))

    StorageObject.is_dir = is_dir
