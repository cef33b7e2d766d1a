"""The committed sample photos: made by their script, protected as they should be, and no clean copy comes through."""

import io
import subprocess
import sys
from pathlib import Path

import archives
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from unlearn.photos import manifest, verifying
from unlearn.photos.codecs import codec
from unlearn.photos.picture import Damaged, LeftOut
from unlearn.photos.sniffing import kind
from unlearn.photos.writing import Writing

pytest.importorskip("pillow_heif")
SAMPLES = ROOT / "data" / "photos"
LEFT_OUT = {
    *("animated.avif", "animated.gif", "animated.png", "animated.webp", "bilevel.png", "bits-12.jpg", "bomb.png"),
    *("cmyk-profile.jpg", "cmyk.jpg", "cmyk.tif", "lossless.jpg", "pages.tif", "raw.CR3", "README.md"),
}
DAMAGED = {"empty.jpg", "no-photo.jpg", "truncated-header.jpg", "truncated.jpg", "truncated.png"}
SIDECARS = {"faces-mwg.xmp", "orientation-1.AAE", "orientation-1.jpg.json"}
MARKER = np.array((255, 0, 220))


def test_the_script_writes_what_is_committed(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "photos" / "samples.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in SAMPLES.iterdir()}
    # Encoders differ from version to version; what they draw does not.
    for name in ("rgb.png", "gray16.png", "rgb.bmp", "orientation-6.jpg", "lossless.webp", "palette.png"):
        ours, committed = (np.asarray(Image.open(folder / name)).astype(int) for folder in (tmp_path, SAMPLES))
        assert np.abs(ours - committed).max() <= 3, name
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 700_000


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("samples") / "out"
    key = archives.saved_key(out.parent / "key.safetensors")
    ended, _ = archives.run(archives.archive(SAMPLES, out, key))
    assert ended.exit_code == 1  # the damaged ones
    return out


def test_every_sample_ends_as_its_table_says(protected: Path) -> None:
    with manifest.read_only(protected / ".unlearn") as found:
        assert found is not None
        status = {row.path.decode(): row.status for row in found.rows()}
    assert {name for name, s in status.items() if s == "damaged"} == DAMAGED
    assert {name for name, s in status.items() if s == "left-out"} - SIDECARS == LEFT_OUT
    everything = {path.name for path in SAMPLES.iterdir()}
    assert {name for name, s in status.items() if s == "protected"} == everything - LEFT_OUT - DAMAGED - SIDECARS
    assert not [name for name, s in status.items() if s == "failed"]


def test_verify_finds_nothing(protected: Path) -> None:
    assert not verifying.verify(protected, originals=SAMPLES, workers=1).findings


def test_no_clean_copy_comes_through(protected: Path) -> None:
    """Clean copies in the samples are of one color: no embedded picture of it may be left."""
    for path in protected.iterdir():
        if path.is_dir() or path.suffix in (".AAE", ".xmp", ".json"):
            continue
        data = path.read_bytes()
        for start in (at for at in range(1, len(data)) if data.startswith(b"\xff\xd8\xff", at)):
            try:
                with Image.open(io.BytesIO(data[start:])) as image:
                    color = np.asarray(image.convert("RGB")).reshape(-1, 3).mean(0)
            except (OSError, SyntaxError, ValueError):
                continue
            assert np.abs(color - MARKER).max() > 40, path.name


@pytest.mark.parametrize("number", range(1, 9))
def test_all_orientations_show_the_same_scene(number: int) -> None:
    from unlearn.photos.picture import upright

    def shown(n: int) -> np.ndarray:
        picture = codec("jpeg").read((SAMPLES / f"orientation-{n}.jpg").read_bytes(), Writing())
        assert picture.orientation == n
        return upright(picture.pixels, n).astype(int)

    assert np.abs(shown(number) - shown(1)).mean() < 4


def test_what_cannot_be_read_says_why_in_one_line() -> None:
    for name in LEFT_OUT | DAMAGED:
        data = (SAMPLES / name).read_bytes()
        found = kind(data[:4096], name.encode())
        if not found.photo:
            assert found.reason
            continue
        with pytest.raises((LeftOut, Damaged)) as raised:
            codec(found.format).read(data, Writing())
        assert str(raised.value)
        assert "\n" not in str(raised.value)
