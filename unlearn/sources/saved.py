"""A folder that `datasets` wrote with save_to_disk: a DatasetDict, or a Dataset (its own split, or train)."""

import json
from pathlib import Path
from typing import Any

from unlearn.datasets import Records
from unlearn.errors import DataError
from unlearn.sources import _columns, _places, _stored


def saved(split: str, *, path: str, image: str | None = None, label: str | None = None) -> Records:
    """Read images stored as bytes.

    Args:
        path: the folder given to save_to_disk.
        image, label: column names; found by their usual names when left out.

    Raises:
        DataError: no such folder or split, a folder of another kind or damaged, unusable columns.
    """
    root, place = _places.folder(path), _places.shown(path)
    _check_names(root)
    from datasets import load_from_disk  # takes a second to import

    try:
        found = load_from_disk(str(root.absolute()))
    except Exception as error:  # whatever pyarrow, json and datasets raise on damaged files
        raise DataError(f"{place}: not a readable save_to_disk folder ({_places.reason(error)})") from error
    return _columns.records(_stored.splits(_by_split(found), place), split, place, image, label)


def _by_split(found: Any) -> dict[str, Any]:
    if isinstance(found, dict):
        return dict(found)
    return {str(found.split or "train").partition("[")[0]: found}


def _check_names(root: Path) -> None:
    """File and split names in the folder's own lists must be plain, so that they cannot lead elsewhere."""
    for state in sorted((*root.glob("dataset_dict.json"), *root.glob("state.json"), *root.glob("*/state.json"))):
        place = f"{_places.shown(root.name)}/{_places.shown(state.relative_to(root))}"
        for name in _listed(state, place):
            if not isinstance(name, str) or "/" in name or "\\" in name or name in ("", ".", "..") or "\0" in name:
                raise DataError(f"{place}: {_places.shown(repr(name))} is not a plain name inside the folder")


def _listed(state: Path, place: str) -> list[Any]:
    try:
        content = json.loads(state.read_text(encoding="utf-8"))
        return [*content.get("splits", []), *(file["filename"] for file in content.get("_data_files", []))]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{place}: damaged ({_places.reason(error)})") from error
