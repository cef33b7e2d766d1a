"""One photo of every kind: formats, depths, gray, alpha, thumbnails, suffixes, sidecars."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from archives import key, photo, protect_one
from PIL import Image

from unlearn.photos import keys, protecting
from unlearn.photos.jobs import Setup, Verified
from unlearn.photos.writing import Writing


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.jpg", {"quality": 90}), ("a.png", {}), ("a.webp", {"lossless": True}), ("a.tif", {}), ("a.bmp", {})],
)
def test_a_photo_is_protected_in_its_own_format(tmp_path: Path, setup: Setup, name: str, options: dict) -> None:
    source = photo(tmp_path / "in" / name, 3, (320, 240), **options)
    row = protect_one(setup, name)
    assert (row.status, row.reason) == ("protected", "")
    target = tmp_path / "out" / name
    assert Image.open(target).format == Image.open(source).format
    change = np.abs(pixels(target) - pixels(source))
    assert change.max() == row.linf
    assert row.kept is not None
    assert row.kept > 0.8
    if name != "a.jpg":
        assert 0 < change.max() <= 8
    assert (row.width, row.height) == (320, 240)
    assert row.sha256 == hashlib.sha256(source.read_bytes()).digest()
    assert row.out_sha256 == hashlib.sha256(target.read_bytes()).digest()
    assert row.out_size == target.stat().st_size


@pytest.mark.parametrize(("verify", "measured"), [("none", 0), ("all", 40)])
def test_how_many_are_measured_is_the_users_choice(
    tmp_path: Path, setup: Setup, verify: Verified, measured: int
) -> None:
    rows = []
    for number in range(40):
        photo(tmp_path / f"in/{number}.png", number, (24, 24))
        rows.append(protect_one(dataclasses.replace(setup, verify=verify), f"{number}.png"))
    assert sum(row.psnr is not None for row in rows) == measured
    some = [protect_one(dataclasses.replace(setup, verify="sample"), f"{number}.png") for number in range(40)]
    assert [row.psnr is not None for row in some] == [
        bool(row.pixel_hash and row.pixel_hash[0] % 16 == 0) for row in rows
    ]
    assert 0 < sum(row.psnr is not None for row in some) < 12
    assert [row.out_sha256 for row in some] == [row.out_sha256 for row in rows]


def test_sixteen_bits_stay_sixteen_bits_within_the_budget(tmp_path: Path, setup: Setup) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    deep = np.random.default_rng(0).integers(5000, 60000, (60, 80, 3)).astype(np.uint16)
    (tmp_path / "in/a.png").write_bytes(imagecodecs.png_encode(deep))
    row = protect_one(setup, "a.png")
    assert row.status == "protected", row.reason
    written = imagecodecs.png_decode((tmp_path / "out/a.png").read_bytes())
    assert written.dtype == np.uint16
    change = np.abs(written.astype(int) - deep)
    assert 0 < change.max() <= 8 * 257
    assert row.linf == pytest.approx(change.max() / 257)


def test_gray_stays_gray_and_alpha_stays(tmp_path: Path, setup: Setup) -> None:
    generator = np.random.default_rng(0)
    gray = generator.integers(0, 255, (40, 50), dtype=np.uint8)
    Image.fromarray(gray).save(tmp_path / "in/g.jpg")
    rgba = generator.integers(0, 255, (40, 50, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "in/a.png")
    assert protect_one(setup, "g.jpg").status == protect_one(setup, "a.png").status == "protected"
    assert Image.open(tmp_path / "out/g.jpg").mode == "L"
    written = np.asarray(Image.open(tmp_path / "out/a.png"))
    assert (written[..., 3] == rgba[..., 3]).all()
    assert (written[..., :3] != rgba[..., :3]).any()


def test_a_clean_thumbnail_is_replaced(tmp_path: Path, setup: Setup) -> None:
    piexif = pytest.importorskip("piexif")
    import io

    red = Image.new("RGB", (160, 120), "red")
    stream = io.BytesIO()
    red.save(stream, "JPEG")
    block = piexif.dump({"0th": {271: b"Camera"}, "1st": {259: 6}, "thumbnail": stream.getvalue()})
    photo(tmp_path / "in/a.jpg", 1, (640, 480), exif=block)
    row = protect_one(setup, "a.jpg")
    assert row.status == "protected", row.reason
    assert json.loads(row.dropped)
    written = (tmp_path / "out/a.jpg").read_bytes()
    assert stream.getvalue()[20:] not in written
    thumbnail = piexif.load(written)["thumbnail"]
    assert thumbnail
    small = np.asarray(Image.open(io.BytesIO(thumbnail)).convert("RGB")).astype(int)
    assert np.abs(small - np.asarray(red.resize((small.shape[1], small.shape[0])))).mean() > 50


def test_little_surviving_noise_is_told(tmp_path: Path, setup: Setup) -> None:
    path = tmp_path / "fine.safetensors"
    keys.save(path, dataclasses.replace(key(channels=3, size=256), epsilon=8 / 255))
    photo(tmp_path / "in/a.jpg", 1, (256, 256), quality=10)
    row = protect_one(dataclasses.replace(setup, keys={"everyone": (str(path), keys.load(path).id)}), "a.jpg")
    assert row.kept is not None
    assert row.kept < 0.5
    assert "of the noise survives" in row.notes


def test_the_wrong_suffix_is_kept_and_noted(tmp_path: Path, setup: Setup) -> None:
    photo(tmp_path / "in/real.png").rename(tmp_path / "in/a.jpg")
    row = protect_one(setup, "a.jpg")
    assert row.format == "png"
    assert "suffix .jpg" in row.notes
    assert Image.open(tmp_path / "out/a.jpg").format == "PNG"


def test_heic_as_jpeg(tmp_path: Path, setup: Setup) -> None:
    heif = pytest.importorskip("pillow_heif")
    generator = np.random.default_rng(0)
    image = Image.fromarray(generator.integers(0, 255, (64, 96, 3), dtype=np.uint8)).resize((192, 128))
    heif.from_pillow(image).save(tmp_path / "in/a.heic", quality=80)
    changed = dataclasses.replace(setup, writing=Writing(heic="jpeg"))
    row = protect_one(changed, "a.heic", out=b"a.jpg")
    assert row.status == "protected", row.reason
    assert Image.open(tmp_path / "out/a.jpg").format == "JPEG"
    assert protect_one(setup, "a.heic").status == "protected"


def test_sidecars_are_filtered(tmp_path: Path, setup: Setup) -> None:
    text = {"title": "a.jpg", "photoTakenTime": {"timestamp": "1"}, "geoData": {"latitude": 1.5}, "url": "https://x"}
    (tmp_path / "in/a.jpg.json").write_text(json.dumps(text))
    row = protect_one(setup, "a.jpg.json", action="sidecar")
    assert (row.status, row.reason) == ("copied", protecting.FILTERED)
    assert set(json.loads((tmp_path / "out/a.jpg.json").read_text())) == {"title", "photoTakenTime"}
    row = protect_one(dataclasses.replace(setup, sidecars="copy"), "a.jpg.json", action="sidecar")
    assert (tmp_path / "out/a.jpg.json").read_bytes() == (tmp_path / "in/a.jpg.json").read_bytes()
    (tmp_path / "in/b.json").write_text("{}")
    assert protect_one(setup, "b.json", action="sidecar").status == "left-out"
