"""The hub without a network: what is asked of `datasets`, and what its failures become."""

import os
from pathlib import Path
from typing import Any

import datasets as hf
import pytest
from pydantic import ValidationError

from unlearn import datasets, registry, schema
from unlearn.errors import DataError

from .conftest import levels
from .test_saved import stored

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    for name in ("HF_HUB_DISABLE_TELEMETRY", "HF_UPDATE_DOWNLOAD_COUNTS"):
        monkeypatch.setenv(name, "before")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr(hf.config, "HF_UPDATE_DOWNLOAD_COUNTS", True)


def load(split: str = "train", **options: Any) -> datasets.ImageDataset:
    return datasets.load("hub", split, **{"repo": "owner/pets", "revision": COMMIT, **options})


def answer(monkeypatch: pytest.MonkeyPatch, result: Any) -> list[tuple[Any, Any]]:
    calls: list[tuple[Any, Any]] = []

    def load_dataset(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, kwargs))
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(hf, "load_dataset", load_dataset)
    return calls


def test_pinned_request_without_code_or_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    both = hf.DatasetDict({"train": stored([1, 0, 1], ["b", "a"]), "test": stored([0, 1], ["b", "a"])})
    calls = answer(monkeypatch, both)
    data = load("train", config="small")
    assert calls == [(("owner/pets",), {"name": "small", "revision": COMMIT})]
    assert data.names == ("b", "a")
    assert data.labels.tolist() == [1, 0, 1]
    assert levels(data.images) == [0, 1, 2]
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
    from huggingface_hub import constants

    assert constants.HF_HUB_DISABLE_TELEMETRY
    assert not hf.config.HF_UPDATE_DOWNLOAD_COUNTS


def test_missing_split(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, hf.DatasetDict({"train": stored([1, 0])}))
    with pytest.raises(DataError, match=r'^split "test" is missing in owner/pets; it has: train$'):
        load("test")


@pytest.mark.parametrize("revision", ["main", "v1.0", "0123456", COMMIT.upper(), COMMIT + "0", COMMIT + "\n", ""])
def test_unpinned_revision_is_refused(monkeypatch: pytest.MonkeyPatch, revision: str) -> None:
    calls = answer(monkeypatch, hf.DatasetDict())
    with pytest.raises(DataError, match="does not pin the data: expected the 40 hexadecimal digits of a commit"):
        load(revision=revision)
    assert not calls


@pytest.mark.parametrize(
    "repo", ["pets", "../pets", "/etc/pets", "a/b/c", "https://x.org/a", "owner/.git", "a/b\n", "json"]
)
def test_repository_is_owner_and_name(monkeypatch: pytest.MonkeyPatch, repo: str) -> None:
    calls = answer(monkeypatch, hf.DatasetDict())
    with pytest.raises(DataError, match="is not a repository of the form owner/name"):
        load(repo=repo)
    assert not calls


def test_recipe_check_finds_them_too() -> None:
    model = schema.of_function(registry.load("sources", "hub"), skip=("split",))
    with pytest.raises(ValidationError, match="does not pin the data"):
        model(repo="owner/pets", revision="main")
    with pytest.raises(ValidationError, match="revision"):
        model(repo="owner/pets")


def test_local_folder_of_the_same_name_is_not_taken_for_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answer(monkeypatch, hf.DatasetDict())
    Path("owner/pets").mkdir(parents=True)
    with pytest.raises(DataError, match="a local folder has this name"):
        load()
    assert not calls


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ConnectionError("Couldn't reach 'owner/pets' on the Hub\nmore"),
            r"cannot be reached, and is not in the local",
        ),
        (
            RuntimeError("Dataset scripts are no longer supported, but found pets.py"),
            r"needs a loading script, which is",
        ),
        (
            hf.exceptions.DatasetNotFoundError("Dataset 'owner/pets' doesn't exist"),
            r"cannot be loaded \(.*doesn't exist",
        ),
        (ValueError("Config name is missing."), r"cannot be loaded \(Config name is missing"),
    ],
)
def test_failures_are_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, message: str) -> None:
    answer(monkeypatch, error)
    with pytest.raises(DataError, match=rf"^owner/pets@0123456: {message}") as found:
        load()
    assert len(str(found.value).splitlines()) == 1


def test_rows_with_paths_only(monkeypatch: pytest.MonkeyPatch) -> None:
    features = hf.Features({"image": hf.Image(), "label": hf.Value("int64")})
    rows = {"image": [{"bytes": None, "path": "/etc/hostname"}] * 2, "label": [0, 1]}
    answer(monkeypatch, hf.DatasetDict({"train": hf.Dataset.from_dict(rows, features=features)}))
    with pytest.raises(DataError, match="owner/pets train row 0: no image bytes in this row"):
        load()
