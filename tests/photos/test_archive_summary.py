"""The summary: every file is accounted for, figures are those of the rows, and what is not covered is said."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
from archives import archive, photo, photos, saved_key

from unlearn.photos import archive as archives
from unlearn.photos import manifest as manifests
from unlearn.photos import summary, summary_text, survey
from unlearn.photos.archive import Ended
from unlearn.photos.display import Quiet
from unlearn.photos.ledger import Tally
from unlearn.photos.rows import Row
from unlearn.photos.settings import Archive
from unlearn.photos.summary import Summary
from unlearn.photos.survey import Survey
from unlearn.signals import StopRequest

pytestmark = pytest.mark.usefixtures("few_processes")


@pytest.fixture
def settings(tmp_path: Path) -> Archive:
    root = photos(tmp_path / "in")
    (root / "v.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    (root / "broken.jpg").write_bytes((root / "a/000.jpg").read_bytes()[:-200])
    return archive(root, tmp_path / "out", saved_key(tmp_path / "key.safetensors"))


def summed(settings: Archive) -> Summary:
    found = survey.survey(settings.photos, people=None)
    with archives.opened(settings, found, Quiet()) as manifest:
        ended = archives.run(settings, found, manifest, Quiet(), StopRequest())
        return summary.gather(manifest, ended, found, manifest.source(os.fsencode(settings.photos.resolve())))


def of_rows(tmp_path: Path, rows: list[Row]) -> Summary:
    with manifests.opened(tmp_path / "state") as (manifest, _):
        for row in rows:
            manifest.put(dataclasses.replace(row, source=1))
        return summary.gather(manifest, Ended(Tally(), "", 0, 1.0), Survey(tmp_path), 1)


def measured(number: int, **facts: object) -> Row:
    path = b"%03d.jpg" % number
    values = {"out_path": path, "out_sha256": b"x", "size": 100, "out_size": 110, "psnr": 30.0 + number,
              "ssim": 0.9 + number / 1000, "kept": 0.4 + number / 100, "linf": 9.0, **facts}  # fmt: skip
    return Row(path, "protected", **values)  # type: ignore[arg-type]


def test_every_file_is_accounted_for(settings: Archive) -> None:
    found = summed(settings)
    assert found.files == {"protected": 6, "left-out": 1, "damaged": 1, "copied": 0, "failed": 0}
    assert found.left_out == {"videos": 1}
    assert [path for path, _ in found.failures] == ["broken.jpg"]
    assert found.formats == {"jpeg": 5, "png": 1}
    again = summed(settings)
    assert again.files == found.files
    assert (again.unchanged, again.run.total()) == (8, 0)
    assert again.failures == found.failures


def test_figures_are_those_of_the_rows(tmp_path: Path) -> None:
    found = of_rows(tmp_path, [measured(number) for number in range(21)])
    assert found.quality.psnr == summary.Spread(40.0, 30.0)
    assert found.quality.ssim == summary.Spread(0.91, 0.9)
    assert found.quality.kept == summary.Spread(0.5, 0.4)
    assert found.quality.little_kept == 10
    assert [path for path, _, _ in found.quality.worst] == [f"{number:03}.jpg" for number in range(10)]
    assert found.growth == pytest.approx(1.1)


def test_photos_that_were_not_measured_do_not_count(tmp_path: Path) -> None:
    found = of_rows(tmp_path, [measured(1), measured(2, psnr=None, ssim=None, kept=None, linf=None)])
    assert found.quality.measured == 1
    none = of_rows(tmp_path / "none", [measured(2, psnr=None, ssim=None, kept=None, linf=None)])
    assert none.quality.psnr is None
    assert "quality: not measured (--verify-written)" in summary_text.lines(none, "out")


def test_clean_copies_and_lost_hdr_are_counted_by_photo(tmp_path: Path) -> None:
    rows = [
        measured(1, dropped='{"gps": 3, "gain map": 1}'),
        measured(2, dropped='{"gps": 1}', notes='["10 bits are written as 8 bits"]'),
        measured(3),
    ]
    found = of_rows(tmp_path, rows)
    assert found.dropped == {"gps": 2, "gain map": 1}
    assert found.hdr_lost == 1
    text = "\n".join(summary_text.lines(found, "out"))
    assert "HDR display lost on 1 photo:" in text
    assert "10 bits are written as 8 bits" in text
    assert "2  gps" in text


def test_photos_of_other_folders_are_not_counted(tmp_path: Path) -> None:
    with manifests.opened(tmp_path / "state") as (manifest, _):
        manifest.put(dataclasses.replace(measured(1), source=1))
        manifest.put(dataclasses.replace(measured(2), source=2))
        found = summary.gather(manifest, Ended(Tally(), "", 0, 1.0), Survey(tmp_path), 2)
    assert found.files["protected"] == 1


def test_copies_without_protection_are_a_warning(settings: Archive) -> None:
    found = summed(dataclasses.replace(settings, unprotected="copy", others="copy"))
    assert found.unprotected == 2
    assert "WARNING: 2 of the copied files may show clean pictures" in summary_text.lines(found, "out")


def test_what_is_not_covered_is_always_said(settings: Archive) -> None:
    text = "\n".join(summary_text.lines(summed(settings), "out")).lower()
    for words in ("know a face already", "pretrained", "published before", "videos", "raw"):
        assert words in text, words


def test_the_words_of_an_early_end(settings: Archive) -> None:
    found = summed(settings)
    stopped = dataclasses.replace(found, stopped="no space left on the disk of OUT", exit_code=1)
    assert "goes on from here" in summary_text.lines(stopped, "out")[-1]
    assert "interrupted" in summary_text.lines(dataclasses.replace(found, exit_code=130), "out")[-1]
    assert summary_text.lines(found, "out")[-1] == "next: unlearn verify out"


def test_the_facts_are_json(settings: Archive) -> None:
    photo(settings.photos / "odd\n.jpg", 9)
    facts = json.loads(json.dumps(summed(settings).facts()))
    assert facts["quality"]["psnr"]["median"] > 20
    assert facts["files"]["protected"] == 7
    assert facts["not_covered"]
