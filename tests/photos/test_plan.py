"""The dry run: the counts are those of the run that follows, the time is measured, and nothing is written."""

import dataclasses
import os
from pathlib import Path

import pytest
from archives import archive, photos, run, saved_key, tree

from unlearn.photos import manifest, plan, survey, wording
from unlearn.photos.settings import Archive

pytestmark = pytest.mark.usefixtures("few_processes")


@pytest.fixture
def settings(tmp_path: Path) -> Archive:
    root = photos(tmp_path / "in")
    (root / "v.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    (root / "a/000.CR3").write_bytes(b"\0\0\0\x18ftypcrx " + bytes(500))
    (root / "a/000.mov").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(500))
    (root / ".hidden.jpg").write_bytes(b"x")
    return archive(root, tmp_path / "out", saved_key(tmp_path / "key.safetensors"))


def planned(settings: Archive, missing: tuple[str, ...] = ()) -> plan.Plan:
    found = survey.survey(settings.photos, people=None)
    with manifest.read_only(settings.state) as known:
        return plan.timed(plan.make(found, settings, known, missing), found, settings)


def test_the_counts_are_those_of_the_run(settings: Archive) -> None:
    made = planned(settings)
    assert made.formats == {"jpeg": 5, "png": 1, **dict.fromkeys(("mp4", "cr3", "mov"), 0)}
    assert made.actions == {"protect": 6, "left out": 3}
    assert set(made.left_out) == {
        "videos", "RAW twins of photos (they hold clean previews)", "videos of Live Photos (they hold clean frames)",
    }  # fmt: skip
    assert made.rules == {"hidden": 1}
    ended, _ = run(settings)
    assert ended.tally.worked == {"protected": 6, "left-out": 3}
    again = planned(settings)
    assert again.actions == {"nothing to do": 6, "left out": 3}
    assert (again.left_out, again.size) == (made.left_out, 0)


def test_nothing_is_written(settings: Archive, tmp_path: Path) -> None:
    def state() -> dict[str, object]:
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in tmp_path.rglob("*")}

    before = state()
    planned(settings)
    assert state() == before
    run(settings)
    before = state()
    planned(settings)
    assert state() == before


def test_the_space_is_about_what_is_needed(settings: Archive) -> None:
    made = planned(settings)
    run(settings)
    written = sum((settings.out / name).stat().st_size for name in tree(settings.out))
    assert written <= made.space <= 3 * written
    assert made.free > 0


def test_the_time_comes_from_photos_that_were_protected_now(settings: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[float] = []
    real = plan._seconds

    def seconds(*arguments: object) -> float | None:
        found = real(*arguments)  # type: ignore[arg-type]
        if found is not None:
            measured.append(found)
        return found

    monkeypatch.setattr(plan, "_seconds", seconds)
    made = planned(dataclasses.replace(settings, workers=1))
    assert len(measured) == plan.MEASURED
    assert made.seconds is not None
    assert sum(measured) <= made.seconds <= 6 * sum(measured)


def test_damaged_photos_do_not_spoil_the_estimate(settings: Archive) -> None:
    for path in sorted(settings.photos.rglob("*.jpg"))[:4]:
        path.write_bytes(path.read_bytes()[:-200])
    assert planned(settings).seconds
    for path in [*settings.photos.rglob("*.jpg"), *settings.photos.rglob("*.png")]:
        path.write_bytes(b"\xff\xd8\xff")
    assert planned(settings).seconds is None


def test_strangers_photos_are_not_opened_for_it(settings: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_seconds", lambda *arguments: pytest.fail("opened"))
    assert planned(dataclasses.replace(settings, untrusted=True)).seconds is None


def test_the_words(settings: Archive) -> None:
    made = planned(settings, ("alice",))
    text = "\n".join(plan.lines(dataclasses.replace(made, subjects={"alice": 1, "bob": 9}), settings))
    for words in ("6 photos found (5 jpeg, 1 png)", "RAW twins", "free", "time: about", "keys to be crafted: 1",
                  "fewer than 5 photos, so that little can be learnt from them: alice"):  # fmt: skip
        assert words in text, text


def test_reasons_with_names_and_numbers_fall_into_groups() -> None:
    assert wording.group("RAW twin of a.jpg: x", "nef") == wording.group("RAW twin of b.jpg: x", "cr3")
    assert wording.group("40000x3 pixels, more than 5", "png") == wording.group("40001x3 pixels, more than 5", "png")
    assert wording.group("CMYK", "jpeg") != wording.group("12-bit JPEG", "jpeg")


def test_sizes_are_readable() -> None:
    assert [wording.size(n) for n in (5, 4_700_000, 3.2e12)] == ["5 bytes", "4.7 MB", "3.2 TB"]
    assert os.linesep not in wording.size(1)


@pytest.mark.parametrize(
    ("known", "faces", "text"),
    [
        (125.0, (), "about 0:02:05 before to craft 2 keys"),
        (125.0, ("al",), "about 0:02:05 before to craft 2 keys and some time for 1 face key"),
        (None, ("al",), "the crafting of 3 keys before"),
    ],
)
def test_the_time_for_keys_is_told(settings: Archive, known: float | None, faces: tuple[str, ...], text: str) -> None:
    made = dataclasses.replace(planned(settings), crafting=("al", "zoe"), face_crafting=faces, key_seconds=known)
    assert next(line for line in plan.lines(made, settings) if line.startswith("time: ")).endswith(text)
