"""Every rule of `verify` about rows, each against a release that breaks it; checksums are right."""

from pathlib import Path

import pytest
from PIL import Image

from unlearn import images
from unlearn.datasets import ImageDataset
from unlearn.errors import ReleaseError
from unlearn.release import tree
from unlearn.release.verify import Finding, load, verify

from .conftest import Make, pixels
from .plant import (
    assert_found,
    edit,
    exif,
    flipped,
    not_an_image,
    saved_with,
    with_chunk,
    with_image,
    with_value,
)


def test_a_good_release_holds(release: Path, clean: ImageDataset, clean_test: ImageDataset) -> None:
    assert verify(release) == []
    assert verify(release, clean, clean_test) == []


def test_a_finding_says_where_and_what() -> None:
    finding = Finding("train-00003.parquet row 812", "path is absolute")
    assert str(finding) == "train-00003.parquet row 812: path is absolute"


@pytest.mark.parametrize("folder", ["empty", "absent"])
def test_no_release_at_all_is_an_error(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    for call in (verify, load):
        with pytest.raises(ReleaseError, match="not a release"):
            call(tmp_path / folder)


ROWS = {
    "text chunk": (with_chunk(b"tEXt", b"Author\0anna"), ["PNG chunk tEXt (11 bytes)"]),
    "private chunk": (with_chunk(b"prVt", b"anything"), ["PNG chunk prVt"]),
    "damaged chunk": (
        lambda rows: rows[0].update(bytes=flipped(rows[0]["bytes"])),
        ["chunk IDAT is damaged"],
    ),
    "exif": (saved_with(exif=exif()), ["PNG chunk eXIf"]),
    "color profile": (saved_with(icc_profile=b"profile of anna"), ["PNG chunk iCCP"]),
    "second stream": (
        saved_with(save_all=True, append_images=[Image.new("RGB", (8, 8))]),
        ["PNG chunk acTL", "PNG chunk fcTL", "PNG chunk fdAT"],
    ),
    "trailing bytes": (
        lambda rows: rows[0].update(bytes=rows[0]["bytes"] + b"zip"),
        ["3 bytes after the end"],
    ),
    "truncated": (
        lambda rows: rows[0].update(bytes=rows[0]["bytes"][:90]),
        ["PNG is truncated", "not a readable"],
    ),
    "no end": (lambda rows: rows[0].update(bytes=rows[0]["bytes"][:-12]), ["PNG is truncated"]),
    "no image": (not_an_image, ["not a PNG", "not a readable image"]),
    "other size": (with_image(pixels(1)[0, :, :4]), ["image is 8x4 RGB 8-bit, release.json says 8x8"]),
    "other mode": (with_image(pixels(1)[0, :1]), ["image is 8x8 L 8-bit, release.json says 8x8 RGB"]),
    "null id": (with_value(id=None), ["row 0: id is missing"]),
    "foreign id": (with_value(id="0" * 32), ["was not made from these pixels"]),
    "double id": (lambda rows: rows[1].update(id=rows[0]["id"]), ["row 1: id", "not unique"]),
    "absolute path": (with_value(path="/home/anna/000000.png"), ["path is absolute"]),
    "parent path": (with_value(path="../000000.png"), ["(..)"]),
    "drive letter": (with_value(path="C:\\000000.png"), ["drive letter"]),
    "foreign name": (with_value(path="anna_birthday.png"), ["expected a name such as 000123.png"]),
    "lost row": (lambda rows: rows.pop(), ["11 samples, release.json says 12", "3 of label 2"]),
    "order": (lambda rows: rows.insert(0, rows.pop()), ["comes after 000011.png"]),
}


# What a broken path means further on: imagefolder does not open such files at all.
FOLLOWING = ["path is", "path has", "path leaves", "11 samples", "3 of label 0", "is not part of a release"]

FOLLOWING += ["is not in metadata.jsonl", "in the text"]


@pytest.mark.parametrize("name", ROWS)
def test_bad_rows_are_found(release: Path, form: str, name: str) -> None:
    change, expected = ROWS[name]
    edit(release, form, change)
    found = [str(finding) for finding in verify(release)]
    for text in expected:
        assert any(text in line for line in found), f"{text} not in {found}"
    others = [line for line in found if not any(text in line for text in [*expected, *FOLLOWING])]
    assert [line for line in others if "comes after" not in line] == []


@pytest.mark.parametrize(
    ("label", "problem"), [(3, "label 3 is out of range 0..2"), (-1, "label -1"), (None, "label is None")]
)
def test_bad_labels_are_found(make: Make, label: int | None, problem: str) -> None:
    folder = make()
    edit(folder, "parquet", with_value(label=label))
    assert_found(folder, f"row 0: {problem}", "3 of label 0, release.json says 4")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"file_name": "0-zebra/000000.png", "label": "0", "id": "x"}', "label is '0'"),
        ('{"file_name": "0-zebra/000000.png", "label": true, "id": "x"}', "label is True|label True in"),
        ('{"file_name": "1-ant/000001.png", "label": 0, "id": "x"}', "label 0 in the folder of label 1"),
        ('{"file_name": "../../etc/passwd", "label": 0, "id": "x"}', "path leaves its folder"),
        ('{"file_name": "0-zebra/000003.png", "label": 0, "id": "x", "clean": 1}', 'key "clean"'),
        ("not json", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ("[1]", "not a JSON object"),
    ],
)
def test_bad_metadata_lines_are_found(make: Make, line: str, problem: str) -> None:
    folder = make(format="imagefolder")
    metadata = folder / "train" / "metadata.jsonl"
    lines = metadata.read_text().splitlines()
    metadata.write_text("\n".join([line, *lines[1:]]) + "\n")
    found = " ".join(str(f) for f in verify(folder) if f.place == "train/metadata.jsonl row 0")
    assert any(text in found for text in problem.split("|")), found


def test_null_bytes_are_found(make: Make) -> None:
    folder = make()
    edit(folder, "parquet", with_value(bytes=None, path="/home/anna/000000.png"))
    place = "data/train-00000-of-00001.parquet row 0"
    assert_found(folder, f"{place}: image bytes are null", f"{place}: path is absolute")
    with pytest.raises(ReleaseError, match="row 0: image bytes are null"):
        load(folder)


def test_a_missing_path_is_found(make: Make) -> None:
    folder = make()
    edit(folder, "parquet", with_value(path=None))
    assert_found(folder, "row 0: path is missing")


def test_a_picture_without_metadata_is_found(make: Make) -> None:
    folder = make(format="imagefolder")
    (folder / "train" / "1-ant" / "000099.png").write_bytes(images.png(pixels(1)[0]))
    tree.write_sums(folder)
    assert_found(folder, "train/1-ant/000099.png: is not in metadata.jsonl")


def test_missing_metadata_is_found(make: Make) -> None:
    folder = make(format="imagefolder")
    (folder / "train" / "metadata.jsonl").unlink()
    tree.write_sums(folder)
    found = [str(finding) for finding in verify(folder)]
    assert "train/metadata.jsonl: is missing" in found
    assert "train/0-zebra/000000.png: is not in metadata.jsonl" in found


def test_all_findings_are_reported(release: Path, form: str) -> None:
    edit(release, form, lambda rows: [row.update(id="x") for row in rows])
    assert len(verify(release)) == 12
