"""Weight files of recognisers: read as they are, refused in one line when damaged, foreign or hostile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unlearn.errors import RecipeError, UnlearnError
from unlearn.faces import embedders, weights
from unlearn.faces.embedders import _dlib_tensors, _graphdef, dlib_resnet, facenet, onnx_file
from unlearn.faces.weights import WeightsError

onnx: Any = pytest.importorskip("onnx")
pytest.importorskip("onnx2torch")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def constant(name: str, values: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """A Const node of a frozen graph."""
    sizes = values.shape if shape is None else shape
    dimensions = b"".join(field(2, b"\x08" + varint(size)) for size in sizes)
    tensor = b"\x08\x01" + field(2, dimensions) + field(4, values.astype("<f4").tobytes())
    attribute = field(1, b"value") + field(2, field(8, tensor))
    return field(1, field(1, name.encode()) + field(2, b"Const") + field(5, attribute))


def test_graph_constants_are_read(tmp_path: Path) -> None:
    values = np.arange(300, dtype=np.float32).reshape(3, 4, 25)
    graph = constant("a", values) + field(1, field(1, b"b") + field(2, b"Conv2D")) + constant("c", np.ones(()))
    (tmp_path / "g.pb").write_bytes(graph)
    found = _graphdef.constants(tmp_path / "g.pb")
    assert list(found) == ["a", "c"]
    np.testing.assert_array_equal(found["a"], values)
    assert found["c"].shape == ()


def test_no_cut_or_changed_graph_gets_further_than_one_line(tmp_path: Path) -> None:
    graph = constant("weights", np.arange(6, dtype=np.float32)) + constant("bias", np.ones(3, np.float32))
    file = tmp_path / "g.pb"
    generator = np.random.default_rng(0)
    for trial in range(400):
        bad = bytearray(graph[: trial % len(graph)] if trial < 200 else graph)
        if trial >= 200:
            bad[generator.integers(len(bad))] = generator.integers(256)
        file.write_bytes(bytes(bad))
        assert "\n" not in refusal(file)


def refusal(file: Path) -> str:
    try:
        _graphdef.constants(file)
    except WeightsError as error:
        return str(error)
    return ""


def test_a_forged_shape_takes_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "g.pb"
    file.write_bytes(constant("a", np.ones(()), shape=(2**20, 2**20)))
    assert _graphdef.constants(file)["a"].strides == (0, 0)
    file.write_bytes(constant("a", np.ones(2), shape=(2**40, 2**40)))
    with pytest.raises(WeightsError, match="8 bytes for the shape"):
        _graphdef.constants(file)


def test_another_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.pb").write_bytes(constant("a", np.ones(3)))
    with pytest.raises(WeightsError, match="not FaceNet's graph: Conv2d_1a_3x3/weights is missing"):
        facenet.network(tmp_path / "g.pb")
    with pytest.raises(WeightsError, match="cannot be read"):
        facenet.network(tmp_path / "absent.pb")
    (tmp_path / "empty.pb").touch()
    with pytest.raises(WeightsError, match="no constants"):
        facenet.network(tmp_path / "empty.pb")


def test_dlib_tensors_follow_their_labels(tmp_path: Path) -> None:
    values = np.arange(600, dtype="<f4")
    header = b"\x01\x02\x02\x58\x02\x01\x01\x01\x01\x01\x01"  # version 2; 600, 1, 1, 1
    (tmp_path / "d.dat").write_bytes(b"head\x01\x02con_4" + header + values.tobytes() + b"tail")
    (found,) = _dlib_tensors.tensors(tmp_path / "d.dat", [(b"con_4", (600, 1, 1, 1))])
    np.testing.assert_array_equal(found, values)
    with pytest.raises(WeightsError, match=r"no tensor 1 \(con_4, \(601, 1, 1, 1\)\)"):
        _dlib_tensors.tensors(tmp_path / "d.dat", [(b"con_4", (601, 1, 1, 1))])


@pytest.mark.parametrize("keep", [0, 100, 5_000, 22_000_000])
def test_a_cut_dlib_file_is_refused(tmp_path: Path, keep: int) -> None:
    try:
        whole = weights.find("face-recognition-models", "dlib_face_recognition_resnet_model_v1.dat")
    except WeightsError as error:
        pytest.skip(str(error))
    (tmp_path / "d.dat").write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(WeightsError, match="damaged, or not dlib's face recogniser"):
        dlib_resnet.network(tmp_path / "d.dat")


SIDE = 32


def model(
    *nodes: Any, shape: tuple[Any, ...] = (1, 3, SIDE, SIDE), outputs: tuple[str, ...] = ("y",), **constants: np.ndarray
) -> bytes:
    """An ONNX file from x to the outputs."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    content: bytes = built.SerializeToString()
    return content


def kernel(channels: int = 4) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(channels, 3, 8, 8)).astype(np.float32)


CONV = helper.make_node("Conv", ["x", "w"], ["h"], strides=[8, 8])
RESHAPE = helper.make_node("Reshape", ["h", "s"], ["y"], name='"); raise SystemExit("')
FLAT = np.array([1, 64], dtype=np.int64)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(content: bytes, sidecar: str = "") -> Path:
        (tmp_path / "mine.onnx").write_bytes(content)
        if sidecar:
            (tmp_path / "mine.yaml").write_text(sidecar)
        return tmp_path / "mine.onnx"

    return write


def reference(crops: torch.Tensor, mean: float = 127.5, std: float = 127.5) -> torch.Tensor:
    return torch.nn.functional.conv2d((crops * 255 - mean) / std, torch.from_numpy(kernel()), stride=8).flatten(1)


CROPS = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))


def test_a_batch_of_one_becomes_any_batch(save: Callable[..., Path]) -> None:
    """Also: the name of a node is never run."""
    found = onnx_file.load(save(model(CONV, RESHAPE, w=kernel(), s=FLAT)))
    torch.testing.assert_close(found.network(CROPS), reference(CROPS), atol=1e-4, rtol=1e-4)
    assert type(found.network.network).__name__ != "OneByOne"
    assert (found.name, found.side, found.threshold) == ("mine", SIDE, 0.35)
    assert found.licence.startswith("unknown")


def test_a_graph_that_mixes_its_batch_is_run_one_by_one(save: Callable[..., Path]) -> None:
    mean = helper.make_node("ReduceMean", ["h"], ["m"], axes=[0], keepdims=1)
    nodes = (CONV, mean, helper.make_node("Reshape", ["m", "s"], ["y"]))
    found = onnx_file.load(save(model(*nodes, w=kernel(), s=FLAT)))
    torch.testing.assert_close(found.network(CROPS), reference(CROPS), atol=1e-4, rtol=1e-4)
    crops = CROPS.clone().requires_grad_()
    assert torch.autograd.grad(found.embed(crops)[1, 0], crops)[0][1].abs().max() > 0


def test_the_sidecar_says_how_pixels_enter(save: Callable[..., Path]) -> None:
    text = "mean: [10, 20, 30]\nstd: 64\ncolors: bgr\nside: 32\nthreshold: 0.5\nlicence: mine\ntrained_on: drawings\n"
    free = model(CONV, helper.make_node("Flatten", ["h"], ["y"]), w=kernel(), shape=("n", 3, "h", "w"))
    found = onnx_file.load(save(free, text))
    levels = CROPS.flip(1) * 255 - torch.tensor([10.0, 20, 30])[:, None, None]
    expected = torch.nn.functional.conv2d(levels / 64, torch.from_numpy(kernel()), stride=8).flatten(1)
    torch.testing.assert_close(found.network(CROPS), expected, atol=1e-3, rtol=1e-4)
    assert (found.threshold, found.licence, found.trained_on, found.side) == (0.5, "mine", "drawings", 32)


def test_an_open_size_is_that_of_the_template(save: Callable[..., Path]) -> None:
    free = model(CONV, helper.make_node("Flatten", ["h"], ["y"]), w=kernel(), shape=("n", 3, "h", "w"))
    assert onnx_file.load(save(free)).side == 112


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ("means: 3", r"mine.yaml means: not a field of Sidecar \(side, mean, .*did you mean mean"),
        ("std: 0", "mine.yaml std.*greater than 0"),
        ("colors: gray", "mine.yaml colors: should be 'rgb' or 'bgr'"),
        ("- 1", "expected lines such as 'mean: 127.5'"),
        ("a: [", "not readable as YAML"),
        ("x: " + "y" * 20_000, "expected lines"),
        ("!!python/object/apply:os.getcwd []", "not readable as YAML"),
        ("side: 64", "takes images of 32 pixels, but mine.yaml says side: 64"),
    ],
)
def test_a_wrong_sidecar_is_refused(save: Callable[..., Path], sidecar: str, message: str) -> None:
    with pytest.raises((RecipeError, WeightsError), match=message):
        onnx_file.load(save(model(CONV, RESHAPE, w=kernel(), s=FLAT), sidecar))


def external() -> bytes:
    held = onnx.load_model_from_string(model(CONV, RESHAPE, w=kernel(), s=FLAT))
    held.graph.initializer[0].data_location = TensorProto.EXTERNAL
    content: bytes = held.SerializeToString()
    return content


WRONG = {
    "empty": (b"", "holds no network"),
    "text": (b"these are no weights", "not an ONNX file"),
    "cut": (model(CONV, RESHAPE, w=kernel(), s=FLAT)[:900], "not an ONNX file, or damaged"),
    "rank": (model(CONV, RESHAPE, w=kernel(), s=FLAT, shape=(1, 3072)), r"its input is \(1, 3072\)"),
    "channels last": (model(CONV, RESHAPE, w=kernel(), s=FLAT, shape=(1, 32, 32, 3)), r"\(batch, 3, side, side\)"),
    "not square": (model(CONV, RESHAPE, w=kernel(), s=FLAT, shape=(1, 3, 32, 24)), r"its input is \(1, 3, 32, 24\)"),
    "huge": (model(CONV, RESHAPE, w=kernel(), s=FLAT, shape=(1, 3, 9999, 9999)), "up to 512"),
    "two outputs": (model(CONV, RESHAPE, w=kernel(), s=FLAT, outputs=("y", "h")), "has 1 inputs and 2 outputs"),
    "operation": (model(CONV, helper.make_node("Unheard", ["h"], ["y"]), w=kernel()), "cannot be converted"),
    "shape": (model(CONV, RESHAPE, w=kernel(), s=np.array([1, 63])), "does not run"),
    "one number": (model(CONV, helper.make_node("ReduceMean", ["h"], ["y"]), w=kernel()), "gives no finite vector"),
    "nan": (model(CONV, RESHAPE, w=kernel() * np.float32("nan"), s=FLAT), "gives no finite vector"),
    "elsewhere": (external(), "keeps its weights in another file"),
}


@pytest.mark.parametrize("kind", list(WRONG))
def test_a_wrong_file_is_refused_in_one_line(save: Callable[..., Path], kind: str) -> None:
    content, message = WRONG[kind]
    with pytest.raises(UnlearnError, match=message) as caught:
        onnx_file.load(save(content))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(WeightsError, match="cannot be read"):
            embedders.load(f"{path}/")


def test_old_files_list_weights_as_inputs(save: Callable[..., Path]) -> None:
    held = onnx.load_model_from_string(model(CONV, RESHAPE, w=kernel(), s=FLAT))
    held.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3, 8, 8]))
    held.ir_version = 3
    found = onnx_file.load(save(held.SerializeToString()))
    torch.testing.assert_close(found.network(CROPS), reference(CROPS), atol=1e-4, rtol=1e-4)


def test_layers_of_sface_equal_onnxruntime(save: Callable[..., Path]) -> None:
    """The operations of MXNet's exports, with a batch norm on vectors behind the matrix."""
    runtime: Any = pytest.importorskip("onnxruntime")
    draws = np.random.default_rng(7)
    norm4, norm8 = ([f"{name}{n}" for name in ("g", "b", "m", "v")] for n in (4, 8))
    nodes = (
        helper.make_node("Sub", ["x", "center"], ["a"]),
        helper.make_node("Mul", ["a", "factor"], ["b"]),
        helper.make_node("Conv", ["b", "w"], ["c"], strides=[8, 8]),
        helper.make_node("BatchNormalization", ["c", *norm4], ["d"]),
        helper.make_node("PRelu", ["d", "slope"], ["e"]),
        helper.make_node("Dropout", ["e"], ["f"]),
        helper.make_node("Flatten", ["f"], ["h"]),
        helper.make_node("Gemm", ["h", "matrix", "bias"], ["i"], transB=1),
        helper.make_node("BatchNormalization", ["i", *norm8], ["y"]),
    )
    norms = {name: draws.uniform(0.5, 1, int(name[-1])).astype(np.float32) for name in norm4 + norm8}
    content = model(
        *nodes,
        w=kernel(),
        center=np.float32([127.5]),
        factor=np.float32([1 / 128]),
        slope=draws.normal(size=(4, 1, 1)).astype(np.float32),
        matrix=draws.normal(size=(8, 64)).astype(np.float32),
        bias=draws.normal(size=8).astype(np.float32),
        **norms,
    )
    found = onnx_file.load(save(content, "mean: 0\nstd: 1\n"))
    theirs = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    expected = np.concatenate([theirs.run(None, {"x": one.numpy() * 255})[0] for one in CROPS.split(1)])
    np.testing.assert_allclose(found.network(CROPS).numpy(), expected, rtol=1e-4, atol=1e-4)
