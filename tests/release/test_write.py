"""What a release contains, and that it is whole or absent."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unlearn import images
from unlearn.datasets import ImageDataset
from unlearn.errors import OutputError, ReleaseError, UnknownName
from unlearn.release import parquet, stored, write
from unlearn.release.verify import facts, load, verify

from .conftest import NAMES, Make, dataset


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_release_reads_back_as_it_was(release: Path, protected: ImageDataset, clean_test: ImageDataset) -> None:
    for split, data in {"train": protected, "test": clean_test}.items():
        read = load(release)[split]
        assert (read.images == data.images).all()
        assert (read.labels == data.labels).all()
        assert (read.names, read.split) == (NAMES, split)


def test_equal_input_gives_equal_bytes(make: Make, form: str) -> None:
    assert contents(make("a", format=form)) == contents(make("b", format=form))


def test_checksums_are_sorted_and_cover_every_file(release: Path) -> None:
    listed = [line.split("  ")[1] for line in (release / "SHA256SUMS").read_text().splitlines()]
    assert listed == sorted(contents(release).keys() - {"SHA256SUMS"})
    assert shutil.which("sha256sum")
    subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=release, check=True, capture_output=True)


def test_record_holds_the_facts_and_nothing_secret(release: Path) -> None:
    record = json.loads((release / "release.json").read_text())
    assert record["splits"]["train"] == {"samples": 12, "per_class": [4, 4, 4]}
    assert record["classes"] == list(NAMES)
    assert record["measured"]["max_levels"] == 8
    assert record["protected_share"] == 1.0
    assert not {"seed", "path", "clean"} & set(record)
    assert facts(release)["method"] == "em"


def test_gray_images(make: Make, form: str) -> None:
    gray = ImageDataset(np.arange(64, dtype=np.uint8).reshape(4, 1, 4, 4), np.arange(4) % 2, ("a", "b"))
    quality = images.Quality(8, 30.0, 0.9, 0.8, 4)
    folder = make(format=form, protected=gray, test=None, quality=quality, mask=np.ones(4, dtype=bool))
    assert verify(folder) == []
    assert (load(folder)["train"].images == gray.images).all()


def test_the_test_split_may_be_left_out(make: Make, form: str) -> None:
    folder = make(format=form, test=None)
    assert list(load(folder)) == ["train"]
    assert "| test | 0 | not included |" in (folder / "README.md").read_text()


def test_a_class_without_samples_keeps_its_label(make: Make, form: str, clean_test: ImageDataset) -> None:
    two = clean_test.take(np.flatnonzero(clean_test.labels != 1))
    folder = make(format=form, test=two)
    assert verify(folder) == []
    assert set(load(folder)["test"].labels) == {0, 2}


def test_shards_are_cut_by_size_and_row_groups_are_fixed(make: Make) -> None:
    import pyarrow.parquet

    many = dataset(250, start=3)
    folder = make(protected=many, test=None, mask=np.ones(250, dtype=bool), shard_bytes=1000)
    names = sorted(p.name for p in (folder / "data").iterdir())
    assert names == [f"train-0000{i}-of-00003.parquet" for i in range(3)]
    rows = [pyarrow.parquet.read_metadata(folder / "data" / name).num_rows for name in names]
    assert rows == [100, 100, 50]
    assert verify(folder) == []
    assert (load(folder)["train"].images == many.images).all()


def test_duplicates_have_ids_of_their_own(make: Make, protected: ImageDataset, form: str) -> None:
    same = protected.images.copy()
    same[5] = same[2]
    twins = replace(protected, images=same)
    ids = [row.id for row in stored.rows(twins)]
    assert len(set(ids)) == 12
    assert ids[5] == f"{ids[2]}-2"
    assert verify(make(format=form, protected=twins)) == []


def test_ids_come_from_the_released_pixels(clean: ImageDataset, protected: ImageDataset) -> None:
    released = {row.id for row in stored.rows(protected)}
    assert released.isdisjoint(row.id for row in stored.rows(clean))
    assert released.isdisjoint(clean.ids)


def test_the_share_is_the_masks(make: Make) -> None:
    mask = np.arange(12) < 9
    folder = make(mask=mask)
    assert json.loads((folder / "release.json").read_text())["protected_share"] == 0.75
    assert "75.0% of the training images" in (folder / "README.md").read_text()


def test_memory_is_bounded_by_row_groups(tmp_path: Path) -> None:
    alive = largest = 0

    class Counted(bytes):
        def __new__(cls, data: bytes) -> "Counted":
            nonlocal alive, largest
            alive += 1
            largest = max(largest, alive)
            return super().__new__(cls, data)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    rows = (stored.Row("", Counted(b"x"), f"{i:06d}.png", 0, str(i)) for i in range(1000))
    parquet.write(tmp_path, "train", rows, NAMES, 10**9)
    assert alive <= 1
    assert largest <= 3 * parquet.ROW_GROUP  # the first of a shard, this one and the next


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"mask": np.ones(11, dtype=bool)}, "mask"),
        ({"mask": np.zeros(12, dtype=bool)}, "nothing is protected"),
        ({"quality": images.Quality(9, 30.0, 0.9, 0.8, 12)}, "the budget is 8"),
        ({"test": replace(dataset(6, "test"), names=("ant", "bee", "zebra"))}, "split test: other classes"),
        ({"recipe": "method: em\nseed: 17\n"}, "seed:"),
        ({"recipe": "crafting: {person_key: abc}"}, "person_key:"),
        ({"recipe": "data:\n  path: /home/anna/pictures\n"}, "/home/anna"),
        ({"recipe": "data:\n  path: C:\\Users\\anna\n"}, "C:"),
        ({"source": "imagefolder ~/pictures/cats"}, "~/pictures"),
        ({"results": {"dataset": "/srv/data/cifar", "rows": [], "summary": {}}}, "/srv/data"),
    ],
)
def test_contradictions_and_secrets_are_refused_before_writing(
    make: Make, tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    with pytest.raises(ReleaseError, match="(?s)" + problem.replace("\\", "\\\\")):
        make(**changes)
    assert list(tmp_path.iterdir()) == []


def test_names_of_this_machine_are_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "annabel")
    with pytest.raises(ReleaseError, match="annabel"):
        make(recipe="note: made by Annabel\n")
    assert make(source="hub annabel/pictures@1a2b3c").is_dir()  # the publisher states this name
    monkeypatch.setattr("getpass.getuser", lambda: "clean")  # a word of the card says nothing about a person
    assert make("other").is_dir()


def test_an_unknown_format_and_a_full_folder_are_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean parquet"):
        make(format="parket")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        make()
    assert contents(tmp_path) == {"out/precious": b"mine"}


def test_a_failed_release_leaves_nothing(
    make: Make, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write.tree, "write_sums", fail)
    with pytest.raises(KeyboardInterrupt):
        make(format=form)
    assert [p.name for p in tmp_path.rglob("*")] == ["out"]  # claimed, empty


def test_progress_counts_every_sample(make: Make) -> None:
    from unlearn.progress import Silent

    counted: dict[str, int] = {}

    class Counting(Silent):
        def task(self, name: str, total: int):  # type: ignore[no-untyped-def]
            import contextlib

            @contextlib.contextmanager
            def counting():  # type: ignore[no-untyped-def]
                counted[name] = -total

                def advance(units: int) -> None:
                    counted[name] += units

                yield advance

            return counting()

    make(progress=Counting())
    assert counted == {"release train": 0, "release test": 0}
