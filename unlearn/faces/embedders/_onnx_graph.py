"""An ONNX file made a PyTorch module that takes batches of any size; nothing of the file is executed as code."""

from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from unlearn.faces.weights import WeightsError, package

# Enough to tell samples apart, little enough for rounding in another order.
TOLERANCE: Final = 1e-4
LARGEST: Final = 512


class Flat(nn.Module):
    """A network whose features are vectors, also where the graph gives (B, D, 1, 1)."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, 3, side, side) to features (B, D)."""
        return self.network(inputs).flatten(1)


class OneByOne(nn.Module):
    """A network whose graph holds for a single sample only, applied to each sample of a batch."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, 3, side, side) to features (B, D)."""
        return torch.cat([self.network(single) for single in inputs.split(1)])


def read(path: Path, data: bytes) -> Any:
    """The file's model, with one image as input and one output.

    Raises:
        WeightsError: no ONNX model, damaged, in several files, or with other inputs and outputs.
    """
    onnx = package("onnx")
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own error class differs between its implementations
        raise WeightsError(f"{path}: not an ONNX file, or damaged ({_line(error)})") from None
    if not model.graph.node or not model.graph.initializer:
        raise WeightsError(f"{path}: not an ONNX file: holds no network")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise WeightsError(f"{path}: keeps its weights in another file; save it with them inside")
    inputs, outputs = len(_inputs(model)), len(model.graph.output)
    if (inputs, outputs) != (1, 1):
        raise WeightsError(
            f"{path}: has {inputs} inputs and {outputs} outputs; a face embedder takes one image, gives one vector"
        )
    return model


def declared_side(path: Path, model: Any) -> int | None:
    """Side of the square image that the model declares, None where it leaves that open.

    Raises:
        WeightsError: other than (batch, 3, side, side), or too large.
    """
    sizes = [dim.dim_value or None for dim in _inputs(model)[0].type.tensor_type.shape.dim]
    square = len(sizes) == 4 and sizes[1] in (3, None) and sizes[2] == sizes[3]
    if not square or (sizes[2] or 0) > LARGEST:
        shown = ", ".join("?" if size is None else str(size) for size in sizes)
        raise WeightsError(
            f"{path}: its input is ({shown}); a face embedder takes (batch, 3, side, side), up to {LARGEST}"
        )
    return sizes[2]


def module(path: Path, model: Any, side: int) -> nn.Module:
    """The network for inputs (B, 3, side, side) as the file wants them, to (B, D); eval mode, frozen.

    Raises:
        WeightsError: an operation that cannot be converted, or a network that does not run.
    """
    _name_nodes(model)
    samples = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    one = _converted(path, model)
    single = OneByOne(one)
    expected = _features(path, single, samples)
    if _agrees(one, samples, expected):
        return one
    return _freed(path, model, samples, expected) or single


def _freed(path: Path, model: Any, samples: Tensor, expected: Tensor) -> nn.Module | None:
    """The network with its reshapes made to keep the batch, when that changes nothing else."""
    onnx = package("onnx")
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for number, node in enumerate(model.graph.node):
        shape = constants.get(node.input[1]) if node.op_type == "Reshape" and len(node.input) == 2 else None
        sizes = [] if shape is None else onnx.numpy_helper.to_array(shape).tolist()
        if sizes[:1] == [1]:
            # In a reshape's shape 0 means: as many as there are.
            name = f"kept_batch_{number}"
            model.graph.initializer.append(onnx.helper.make_tensor(name, 7, [len(sizes)], [0, *sizes[1:]]))
            node.input[1] = name
    network = _converted(path, model)
    return network if _agrees(network, samples, expected) else None


def _converted(path: Path, model: Any) -> nn.Module:
    try:
        network: nn.Module = package("onnx2torch").convert(model)
    except Exception as error:  # a converter of 50 operations fails in many ways
        raise WeightsError(f"{path}: cannot be converted to PyTorch ({_line(error)})") from None
    return Flat(network).eval().requires_grad_(False)


def _features(path: Path, network: nn.Module, samples: Tensor) -> Tensor:
    try:
        with torch.no_grad():
            features = network(samples)
    except Exception as error:  # a graph may be wrong in any way
        raise WeightsError(f"{path}: does not run on {tuple(samples.shape[1:])} ({_line(error)})") from None
    if features.ndim != 2 or features.shape[1] < 2 or not torch.isfinite(features).all():
        raise WeightsError(f"{path}: gives no finite vector for an image of {tuple(samples.shape[1:])}")
    return features


def _agrees(network: nn.Module, samples: Tensor, expected: Tensor) -> bool:
    """Whether a batch gives each sample the features that it has alone, in the shape (B, D)."""
    try:
        with torch.no_grad():
            found = network(samples)
    except Exception:  # the question is whether it runs
        return False
    return found.shape == expected.shape and bool((found - expected).norm() <= TOLERANCE * expected.norm())


def _inputs(model: Any) -> list[Any]:
    """Inputs that are no weights: old files list those as inputs too."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def _name_nodes(model: Any) -> None:
    """Names of our own: the converter makes source text of a file's, and those may hold anything."""
    for number, node in enumerate(model.graph.node):
        node.name = f"node_{number}"


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__
