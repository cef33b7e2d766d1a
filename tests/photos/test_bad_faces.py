"""Photos whose faces are no faces, or too small, cut, many or mislabeled: one line each, and never a lost photo."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from archives import in_this_process
from conftest import unlearn
from marked_faces import EYES, SECOND, Eyes, Marked, face_at, regions, save, saved_face_key, scene
from numpy.typing import NDArray
from PIL import Image

from unlearn.faces.detectors import _views
from unlearn.faces.face import Face
from unlearn.faces.weights import WeightsError
from unlearn.photos import archive as archives
from unlearn.photos import face_measuring, face_noise, finding, keys, summary, summary_text, survey, whose
from unlearn.photos.display import Quiet
from unlearn.photos.settings import Archive
from unlearn.photos.summary import Summary
from unlearn.signals import StopRequest

pytest.importorskip("cv2")
CROWD: list[Eyes] = [
    ((40.0 + 90 * (i % 8), 50.0 + 100 * (i // 8)), (66.0 + 90 * (i % 8), 51.0 + 100 * (i // 8))) for i in range(40)
]
TINY: Eyes = ((100.0, 100.0), (105.0, 100.0))  # a face of 12 pixels
CUT: Eyes = ((1.0, 4.0), (44.0, 4.0))  # brow and one cheek lie outside of the photo


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives.pool, "outcomes", in_this_process)


@pytest.fixture
def settings(tmp_path: Path) -> Archive:
    """No photo yet; a key for the faces of everyone."""
    face = saved_face_key(tmp_path / "everyone.face.safetensors")
    held, out = {"everyone": ((str(face), keys.load(face).id),)}, tmp_path / "out"
    options = {"threats": ("matching",), "workers": 1, "fsync": False}
    (tmp_path / "in").mkdir()
    return Archive(tmp_path / "in", out, out / ".unlearn", {}, held, Marked(), **options)  # type: ignore[arg-type]


def told(settings: Archive, people: str | None = None) -> tuple[Summary, str]:
    """Run; what the user reads at the end."""
    found = survey.survey(settings.photos, people=people)
    with archives.opened(settings, found, Quiet()) as rows:
        ended = archives.run(settings, found, rows, Quiet(), StopRequest())
        source = rows.source(str(settings.photos.resolve()).encode())
        done = summary.gather(rows, ended, found, source, settings.threats, ("matching",))
    return done, "\n".join(summary_text.lines(done, "out"))


def pixels(path: Path) -> NDArray[np.int64]:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.int64)


@pytest.mark.parametrize(
    ("eyes", "reason", "line"),
    [
        ([], face_noise.NO_FACE, "no face was found in 1 photo: look whether there is one"),
        ([TINY], face_noise.ALL_SMALL, "1 face smaller than 20 pixels: left alone, no recogniser can use them"),
    ],
)
def test_no_face_and_a_face_of_twelve_pixels(settings: Archive, eyes: list[Eyes], reason: str, line: str) -> None:
    save(settings.photos / "a.png", scene(eyes))
    done, text = told(settings)
    assert done.left_out == {reason: 1}
    assert line in text
    assert not (settings.out / "a.png").exists()
    assert told(dataclasses.replace(settings, faceless="copy"))[0].files["copied"] == 1


def test_faces_that_the_border_cuts_off(settings: Archive) -> None:
    save(settings.photos / "a.png", scene([CUT, ((360.0, 290.0), (396.0, 296.0))]))
    _, text = told(settings)
    assert "2 faces in 1 photo protected" in text
    moved = np.abs(pixels(settings.out / "a.png") - pixels(settings.photos / "a.png"))
    assert 0 < moved.max() <= 8
    assert moved[5:30, 5:40].any()
    assert moved[295:, 370:].any()


def test_forty_faces_in_one_photo(settings: Archive) -> None:
    save(settings.photos / "a.png", scene(CROWD, (760, 560)))
    done, text = told(settings)
    assert (done.faces.found, done.faces.protected, done.faces.moved) == (40, 40, 0)
    assert "40 faces in 1 photo protected against matching" in text
    moved = np.abs(pixels(settings.out / "a.png") - pixels(settings.photos / "a.png"))
    assert moved.max() <= 8
    assert all(moved[round(y) : round(y) + 20, round(x) : round(x) + 20].any() for (x, y), _ in CROWD)


def test_two_people_in_one_region_are_told_and_both_protected(settings: Archive) -> None:
    save(settings.photos / "a.png", scene([EYES, SECOND]))
    (settings.photos / "a.png.xmp").write_text(regions([("ann", (0.0, 0.0, 1.0, 1.0))]))
    ann = {"ann": settings.face_keys["everyone"]}
    done, text = told(dataclasses.replace(settings, face_keys={**settings.face_keys, **ann}), people="auto")
    assert done.notes == {whose.SEVERAL: 1}
    assert whose.SEVERAL in text
    assert done.faces.protected == 2


@dataclass(frozen=True)
class Failing:
    """A finder whose landmarks say nothing for the first face, and something for the second."""

    points: float
    about: str = "failing marks"

    def __call__(self, image: NDArray[np.uint8]) -> Sequence[Face]:
        first, second = face_at(*EYES), face_at(*SECOND)
        return (dataclasses.replace(first, points=np.full((5, 2), self.points)), second)

    def check(self) -> None:
        """Nothing to load."""


@pytest.mark.parametrize("points", [np.nan, np.inf, 120.0])
def test_landmarks_that_fail_cost_one_face_and_not_the_photo(settings: Archive, points: float) -> None:
    save(settings.photos / "a.png", scene([EYES, SECOND]))
    done, _ = told(dataclasses.replace(settings, finder=Failing(points)))  # type: ignore[arg-type]
    assert (done.faces.found, done.faces.protected, done.faces.small) == (2, 1, 1)
    assert done.files["protected"] == 1
    usable = _views.search(scene([]), lambda image: Failing(points)(image), _views.Search(1280, 0.0, 0.0))
    assert len(usable) == 1


def test_a_drawing_is_a_photo_without_a_face(settings: Archive) -> None:
    finder = finding.Found()
    try:
        finder.check()
    except WeightsError as error:
        pytest.skip(str(error))
    y, x = np.mgrid[:240, :320]
    drawing = np.full((240, 320, 3), 255, np.uint8)
    drawing[(x - 160) ** 2 + (y - 120) ** 2 < 90**2] = (250, 220, 60)
    for eye in (130, 190):
        drawing[(x - eye) ** 2 + (y - 95) ** 2 < 8**2] = 0
    drawing[(abs(y - 160) < 3) & (abs(x - 160) < 40)] = 0
    save(settings.photos / "a.png", drawing)
    done, text = told(dataclasses.replace(settings, finder=finder))
    assert done.left_out == {face_noise.NO_FACE: 1}
    assert "no face was found in 1 photo" in text


def test_damaged_weights_end_the_command_with_one_line(tmp_path: Path) -> None:
    save(tmp_path / "in/a.png", scene([EYES]))
    network = tmp_path / "face_detection_yunet_2023mar.onnx"
    network.write_bytes(b"cut off")
    done = unlearn("protect", tmp_path / "in", tmp_path / "out", "--against", "matching", "--face-model", network)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "checksum differs" in done.stderr
    assert not (tmp_path / "out").exists()


@dataclass
class Counted:
    """Counts the pixels that are searched."""

    finder: Marked
    seen: list[int]

    def __call__(self, image: NDArray[np.uint8]) -> Sequence[Face]:
        self.seen.append(image.shape[0] * image.shape[1])
        return self.finder(image)


def test_a_written_photo_is_searched_near_its_faces_and_whole_only_in_doubt() -> None:
    shown = scene([EYES], (2000, 1500))
    faces, seen = Marked()(shown), Counted(Marked(), [])
    close = face_measuring.seen_again(faces, seen, shown)  # type: ignore[arg-type]
    assert np.abs(close[0].points - faces[0].points).max() < 1e-6
    assert seen.seen == [pytest.approx(230 * 230, rel=0.2)]
    gone = scene([SECOND], (2000, 1500))
    found = face_measuring.seen_again(faces, seen, gone)  # type: ignore[arg-type]
    assert seen.seen[-1] == 2000 * 1500
    assert face_measuring.figures(faces, shown, gone, 1, found)["faces_moved"] == 1
    crowd, many = scene(CROWD, (760, 560)), Counted(Marked(), [])
    face_measuring.seen_again(Marked()(crowd), many, crowd)  # type: ignore[arg-type]
    assert many.seen == [760 * 560]


def test_a_large_face_is_searched_in_a_smaller_photo() -> None:
    large: Eyes = ((800.0, 600.0), (1200.0, 620.0))
    shown = scene([large], (2000, 1500))
    faces, seen = Marked()(shown), Counted(Marked(), [])
    close = face_measuring.seen_again(faces, seen, shown)  # type: ignore[arg-type]
    assert seen.seen[0] <= 300 * 300
    assert np.abs(close[0].points - faces[0].points).max() < 0.03 * faces[0].eye_distance
