"""Keys from an album: subjects few and many, hostile files, resume, and several processes' worth of the same bytes."""

import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SOURCE_TREE
from PIL import Image

from unlearn import album, recipe
from unlearn.crafting.workers import Workers, alone
from unlearn.errors import DataError, Interrupted
from unlearn.photos import keys
from unlearn.photos.keys import Key
from unlearn.signals import StopRequest

SMALL = (
    *("data.fit.height=24", "data.fit.width=24", "band.cells=6", "method.views.size=16"),
    *("method.schedule.max_rounds=2", "method.schedule.min_rounds=2", "method.schedule.train_steps=3"),
    *("method.schedule.batch_size=16", "method.schedule.pgd_batch_size=16"),
)


def photos(folder: Path, subject: str, count: int = 5, size: tuple[int, int] = (60, 40)) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(len(subject))
    made = []
    for i in range(count):
        coarse = generator.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        path = folder / f"{subject}-{i}.jpg"
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path, quality=90)
        made.append(path)
    return made


def craft(subjects: dict[str, list[Path]], work: Path, intensity: str = "mid", **more: object) -> dict[str, Key]:
    return album.craft_keys(subjects, intensity, work, overrides=SMALL, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("intensity", album.INTENSITIES)
def test_a_key_for_every_subject(tmp_path: Path, intensity: str) -> None:
    subjects = {name: photos(tmp_path, name) for name in ("zoe", "al")}
    made = craft(subjects, tmp_path / "work", intensity)
    assert list(made) == ["al", "zoe"]
    for name, key in made.items():
        assert key.subject == name
        assert key.strength == intensity
        assert key.delta.shape == (1, 3, 6, 6)
        assert 0 < np.abs(key.delta).max() <= key.epsilon * 255 * 256 + 0.5
    assert not np.array_equal(made["al"].delta, made["zoe"].delta)
    assert made["al"].secret != made["zoe"].secret


def test_stronger_intensities_have_larger_budgets(tmp_path: Path) -> None:
    subjects = {"al": photos(tmp_path, "al")}
    low, mid, high = (craft(subjects, tmp_path / name, name)["al"].epsilon for name in album.INTENSITIES)
    assert low < mid < high


def test_one_subject_with_one_photo(tmp_path: Path) -> None:
    made = craft({"al": photos(tmp_path, "al", 1)}, tmp_path / "work")
    assert np.abs(made["al"].delta).max() > 256


def test_the_secret_is_kept_for_its_owner_and_decides_the_key(tmp_path: Path) -> None:
    subjects = {"al": photos(tmp_path, "al")}
    first, again = (craft(subjects, tmp_path / "work")["al"] for _ in range(2))
    other = craft(subjects, tmp_path / "elsewhere")["al"]
    assert np.array_equal(first.delta, again.delta)
    assert not np.array_equal(first.delta, other.delta)
    assert stat.S_IMODE((tmp_path / "work" / album.SECRET).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "work").stat().st_mode) == 0o700


def test_interrupted_it_goes_on_to_the_same_key(tmp_path: Path) -> None:
    subjects = {name: photos(tmp_path, name) for name in ("al", "bo")}
    whole = craft(subjects, tmp_path / "whole")
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    (work / album.SECRET).write_bytes((tmp_path / "whole" / album.SECRET).read_bytes())
    with pytest.raises(Interrupted):
        craft(subjects, work, team=Workers(alone().device, stop=StopRequest(requested=True)))
    resumed = craft(subjects, work)
    for name in subjects:
        assert np.array_equal(whole[name].delta, resumed[name].delta)


def test_other_photos_start_from_the_beginning(tmp_path: Path) -> None:
    first = craft({"al": photos(tmp_path, "al")}, tmp_path / "work")["al"]
    second = craft({"al": photos(tmp_path, "al", 6)}, tmp_path / "work")["al"]
    assert first.secret != second.secret


def test_unreadable_photos_are_passed_over(tmp_path: Path) -> None:
    good = photos(tmp_path, "al")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(good[0].read_bytes()[:300])
    (tmp_path / "text.jpg").write_text("no photo")
    found = album.collect({"al": [*good, broken, tmp_path / "text.jpg", tmp_path / "gone.jpg"]}, 24)
    assert int((found.data.labels == 0).sum()) == len(good)


def test_a_subject_without_a_readable_photo_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(DataError, match=r"al: none of 1 photos can be read"):
        craft({"al": [tmp_path / "text.jpg"]}, tmp_path / "work")


def test_two_noises_a_subject_are_refused(tmp_path: Path) -> None:
    subjects = {"al": photos(tmp_path, "al")}
    with pytest.raises(DataError, match="two noises a subject"):
        album.craft_keys(subjects, "mid", tmp_path / "work", overrides=(*SMALL, "method.deal=signed"))


def test_few_subjects_are_joined_by_decoys_with_the_same_photos(tmp_path: Path) -> None:
    found = album.collect({name: photos(tmp_path, name) for name in ("al", "bo")}, 24)
    assert found.subjects == ("al", "bo")
    assert found.data.classes == album.CLASSES
    assert (found.data.counts() >= 2).all()
    rows_of_class = [set(found.row[found.data.labels == label]) for label in range(album.CLASSES)]
    assert rows_of_class == [{0}, {1}, {-1}, {2}, {3}, {4}, {5}, {6}]


def test_many_subjects_need_no_decoys(tmp_path: Path) -> None:
    subjects = {f"s{i}": photos(tmp_path, f"s{i}", 2) for i in range(album.CLASSES)}
    found = album.collect(subjects, 24)
    assert found.data.names == found.subjects
    assert (found.row == found.data.labels).all()


def test_a_photo_is_seen_upright(tmp_path: Path) -> None:
    (path,) = photos(tmp_path, "al", 1)
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.rotate(90, expand=True).save(tmp_path / "turned.jpg", quality=95, exif=exif)
    first, second = album.thumbnail(path, 24), album.thumbnail(tmp_path / "turned.jpg", 24)
    assert first is not None
    assert second is not None
    assert np.abs(first.astype(int) - second).mean() < 4


def test_two_processes_craft_the_same_keys_and_protect(tmp_path: Path) -> None:
    subjects = {name: photos(tmp_path / "in" / name, name) for name in ("al", "bo")}
    state = tmp_path / "state"
    alone_made = craft(subjects, tmp_path / "work")
    (state / "crafting").mkdir(parents=True, mode=0o700)
    (state / "crafting" / album.SECRET).write_bytes((tmp_path / "work" / album.SECRET).read_bytes())
    quick = tmp_path / "quick.yaml"
    quick.write_text(recipe.to_yaml(recipe.resolved(recipe.load("photos/mid", SMALL))))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", "-m", "unlearn"]
    command += ["protect", str(tmp_path / "in"), str(tmp_path / "out"), "--people", "folders", "--device", "cpu"]
    command += ["--recipe", str(quick), "--state", str(state)]
    done = subprocess.run(command, env=SOURCE_TREE, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for name in subjects:
        together = keys.load(tmp_path / "out" / "keys" / f"{name}.safetensors")
        assert np.array_equal(together.delta, alone_made[name].delta)
        assert together.secret == alone_made[name].secret
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 10
    assert not (state / "crafting").exists()


def test_a_recipe_for_data_sets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"recipe demo is not for photos"):
        album.craft_keys({"al": photos(tmp_path, "al")}, "mid", tmp_path / "work", name="demo")
