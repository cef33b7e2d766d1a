"""A data set of the Hugging Face Hub at a pinned commit; from the network or the local cache."""

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from unlearn.datasets import Records
from unlearn.errors import DataError
from unlearn.sources import _columns, _places, _stored


def _repo(repo: str) -> str:
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repo, re.ASCII):
        raise ValueError(f'"{_places.shown(repo)}" is not a repository of the form owner/name')
    return repo


def _pinned(revision: str) -> str:
    if not re.fullmatch("[0-9a-f]{40}", revision):
        raise ValueError(
            f'"{_places.shown(revision)}" does not pin the data: expected the 40 hexadecimal digits'
            " of a commit, because branches and tags move"
        )
    return revision


def hub(
    split: str,
    *,
    repo: Annotated[str, AfterValidator(_repo)],
    revision: Annotated[str, AfterValidator(_pinned)],
    config: str | None = None,
    image: str | None = None,
    label: str | None = None,
) -> Records:
    """Download (or find in the cache) and read images stored as bytes. Code of a repository never runs.

    Args:
        repo: owner/name.
        revision: commit, 40 hexadecimal digits.
        config: name of a configuration, where the repository has several.
        image, label: column names; found by their usual names when left out.

    Raises:
        DataError: not pinned, offline and not cached, no such repository or split, a loading script,
            rows without image bytes.
    """
    try:
        _repo(repo)
        _pinned(revision)
    except ValueError as error:
        raise DataError(f"hub: {error}") from error
    # `datasets` prefers a folder of this name over the hub, and would ignore the commit without a word.
    if Path(repo).exists():
        raise DataError(f"{repo}: a local folder has this name; run elsewhere, or use source parquet or imagefolder")
    found = _download(repo, revision, config)
    return _columns.records(_stored.splits(found, repo), split, repo, image, label)


def _download(repo: str, revision: str, config: str | None) -> dict[str, Any]:
    """All splits, memory-mapped: they come together anyway, and labels are compared across them."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_UPDATE_DOWNLOAD_COUNTS"] = "0"
    from datasets import config as settings
    from datasets import load_dataset  # slow, and reads the two variables above
    from huggingface_hub import constants

    # Another import may have read the environment before.
    constants.HF_HUB_DISABLE_TELEMETRY, settings.HF_UPDATE_DOWNLOAD_COUNTS = True, False

    try:
        return dict(load_dataset(repo, name=config, revision=revision))
    except Exception as error:  # network, hub, parsers: dozens of classes
        raise DataError(f"{repo}@{revision[:7]}: {_why(error)}") from error


def _why(error: Exception) -> str:
    text = _places.reason(error)
    if isinstance(error, RuntimeError) and "script" in text.lower():
        return f"needs a loading script, which is never run; pin a commit of its parquet branch instead ({text})"
    if isinstance(error, ConnectionError | TimeoutError) or "offline" in text.lower():
        return f"cannot be reached, and is not in the local cache ({text})"
    return f"cannot be loaded ({text})"
