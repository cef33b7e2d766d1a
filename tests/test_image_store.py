"""Kept images: written once, found again, never half; decoding gives the same in memory and mapped."""

import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import make_dataset

from unlearn import datasets, decoding, image_store, placing
from unlearn.datasets import Records
from unlearn.decoding import InOrder, Pictures
from unlearn.errors import DataError
from unlearn.fitting import Fit
from unlearn.images import Pixels, png

IMAGES = make_dataset(12, size=8).images
SIZE = IMAGES.nbytes


def records(pictures: list[bytes] | None = None) -> Records:
    files = [png(pixels) for pixels in IMAGES] if pictures is None else pictures
    return Records(files, [i % 2 for i in range(len(files))], ("a", "b"), [f"file {i}" for i in range(len(files))])


def loaded(found: Records, cache: Path, fit: Fit | None = None, memory: int = SIZE - 1) -> Pixels:
    with placing.bounded(memory, cache):
        return datasets.collect(found, "train", fit).images


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_larger_than_the_bound_is_mapped_read_only_and_private(tmp_path: Path) -> None:
    cache = tmp_path / "deep" / "cache"
    assert not isinstance(loaded(records(), cache, memory=SIZE), np.memmap)
    assert not cache.exists()
    mapped = loaded(records(), cache)
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, IMAGES)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 0
    (file,) = cache.iterdir()
    assert cache.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600


def test_kept_images_are_found_again_and_a_changed_source_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(records(), tmp_path)
    (first,) = names(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Pictures, "decode", lambda self, i: IMAGES[0] if i == 0 else pytest.fail("decoded again"))
        assert np.array_equal(loaded(records(), tmp_path), IMAGES)
    changed = [png(pixels) for pixels in IMAGES]
    changed[7] = png(255 - IMAGES[7])
    assert np.array_equal(loaded(records(changed), tmp_path)[7], 255 - IMAGES[7])
    assert len(names(tmp_path)) == 2
    assert loaded(records(), tmp_path, Fit(8, 16)).shape[2:] == (8, 16)
    assert loaded(records([png(pixels) for pixels in IMAGES[::-1]]), tmp_path)[0].tolist() == IMAGES[-1].tolist()
    assert len(names(tmp_path)) == 4
    assert first in names(tmp_path)


def test_the_key_counts_every_byte_and_no_name(tmp_path: Path) -> None:
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    for path in (one, other):
        path.write_bytes(png(IMAGES[0]))
    key = decoding.key(Pictures([one], ["here"]))
    assert decoding.key(Pictures([other], ["there"])) == key == decoding.key(Pictures([one.read_bytes()], [""]))
    times = one.stat()
    one.write_bytes(one.read_bytes()[:-1] + b"!")
    os.utime(one, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert decoding.key(Pictures([one], ["here"])) != key


@pytest.mark.parametrize("memory", [10**9, 10])
def test_gray_pictures_become_colored_where_others_are(tmp_path: Path, memory: int) -> None:
    files = [png(pixels[:1] if i < 5 else pixels) for i, pixels in enumerate(IMAGES)]
    found = loaded(records(files), tmp_path / "mixed", memory=memory)
    assert found.shape == IMAGES.shape
    assert np.array_equal(found[:5], np.repeat(IMAGES[:5, :1], 3, axis=1))
    gray = loaded(records([png(pixels[:1]) for pixels in IMAGES]), tmp_path / "gray", memory=memory)
    assert gray.shape == (12, 1, 8, 8)
    assert isinstance(found, np.memmap) == isinstance(gray, np.memmap) == (memory == 10)
    assert memory > 10 or len(names(tmp_path / "mixed")) == len(names(tmp_path / "gray")) == 1


@pytest.mark.parametrize("memory", [10**9, 10])
def test_problems_are_told_alike_and_nothing_is_kept(tmp_path: Path, memory: int) -> None:
    broken = [png(pixels) for pixels in IMAGES]
    broken[0] = broken[4] = b"no picture"
    with pytest.raises(DataError) as caught:
        loaded(records(broken), tmp_path / "broken", memory=memory)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["file 0", "file 4"]
    sizes = [png(pixels) for pixels in IMAGES]
    sizes[3] = png(IMAGES[3][:, :, :5])
    with pytest.raises(DataError, match=r"images of 2 sizes, e.g. 8x8 \(11 images\) and 5x8 \(file 3\)"):
        loaded(records(sizes), tmp_path / "sizes", memory=memory)
    for folder in ("broken", "sizes"):
        assert not list((tmp_path / folder).glob("*.npy")) if memory == 10 else not (tmp_path / folder).exists()
        assert not list((tmp_path / folder).glob(".*.tmp"))


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    key = decoding.key(Pictures(records().pictures, records().where))
    (tmp_path / f".{key}.npy.abc.tmp").write_bytes(b"half")
    (tmp_path / f"{key}.npy").write_bytes(b"damaged")
    assert np.array_equal(loaded(records(), tmp_path), IMAGES)
    assert names(tmp_path) == [f"{key}.npy"]


def _build(folder: str, started: "multiprocessing.synchronize.Barrier") -> None:
    started.wait(30)

    def fill(out: Pixels) -> bool:
        with (Path(folder) / "built").open("a") as log:
            log.write("x")
        out[:] = 7
        return True

    found = image_store.kept(Path(folder) / "cache", "key", (3, 1, 4, 4), fill)
    assert found is not None
    assert int(found.min()) == 7


def test_processes_that_want_one_set_build_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    started = context.Barrier(3)
    processes = [context.Process(target=_build, args=(str(tmp_path), started)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert (tmp_path / "built").read_text() == "x"
    assert names(tmp_path / "cache") == ["key.npy"]


def test_nobody_is_let_in_beside_another_though_locks_are_taken_away(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def enter(_: int) -> None:
        for _ in range(50):
            with image_store._one_at_a_time(tmp_path / "set.npy"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.0002)
                inside[0] -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(enter, range(6)))
    assert most == [1]
    assert not list(tmp_path.iterdir())


def test_pictures_in_order_start_anew_when_one_is_asked_for_that_has_passed() -> None:
    starts: list[int] = []

    def read() -> "list[bytes]":
        starts.append(1)
        return [bytes([i]) for i in range(5)]

    found = InOrder(5, lambda: iter(read()))
    assert [found[i] for i in range(5)] == list(found) == read()
    starts.clear()
    assert (found[1], found[3], found[3], found[0]) == (b"\1", b"\3", b"\3", b"\0")
    assert len(starts) == 3
    assert found[1:3] == [b"\1", b"\2"]


def test_a_part_of_a_mapped_set_is_mapped_only_if_it_is_large(tmp_path: Path) -> None:
    with placing.bounded(SIZE // 2, tmp_path):
        data = datasets.collect(records(), "train")
        assert data.take(np.arange(12)) is data
        large, small = data.take(np.arange(11, 1, -1)), data.take(np.arange(3))
    assert isinstance(large.images, np.memmap)
    assert not isinstance(small.images, np.memmap)
    assert np.array_equal(large.images, IMAGES[11:1:-1])
    assert len(names(tmp_path)) == 1, "the part has a file without a name"
