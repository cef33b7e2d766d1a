"""Constants of a frozen TensorFlow graph, read from protobuf's wire format: no TensorFlow, no execution.

Field numbers are those of TensorFlow's public graph.proto, node_def.proto, attr_value.proto and tensor.proto.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.weights import WeightsError

Payload = int | memoryview
VARINT: Final = 0
# Wire types with a payload of fixed width, in bytes.
FIXED: Final = {1: 8, 5: 4}
BYTES: Final = 2
FLOAT: Final = 1


def constants(path: Path) -> dict[str, NDArray[np.float32]]:
    """The graph's float32 constants, by the name of their node.

    Raises:
        WeightsError: not a graph, cut off, or a tensor whose shape and content disagree.
    """
    try:
        found = dict(_constants(memoryview(path.read_bytes())))
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise WeightsError(f"{path}: not a frozen TensorFlow graph, or damaged ({error})") from error
    if not found:
        raise WeightsError(f"{path}: not a frozen TensorFlow graph: holds no constants")
    return found


def _constants(graph: memoryview) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """(name, values) of every float constant."""
    for number, node in _fields(graph):
        if number == 1:
            parts = list(_fields(_bytes(node)))
            name, kind = (str(_bytes(_one(parts, number)), "utf-8") for number in (1, 2))
            tensor = _attribute(parts, b"value") if kind == "Const" else None
            values = None if tensor is None else _values(_bytes(_one(list(_fields(tensor)), 8)))
            if values is not None:
                yield name, values


def _attribute(parts: list[tuple[int, Payload]], key: bytes) -> memoryview | None:
    """An attribute of a node: entry of a map with key in field 1 and value in field 2."""
    for number, entry in parts:
        if number == 5:
            pair = list(_fields(_bytes(entry)))
            if _one(pair, 1) == key:
                return _bytes(_one(pair, 2))
    return None


def _values(tensor: memoryview) -> NDArray[np.float32] | None:
    """A tensor's values in its shape, or None unless they are float32."""
    parts = list(_fields(tensor))
    if dict(parts).get(1) != FLOAT:
        return None
    shape = [_size(_bytes(dimension)) for number, dimension in _fields(_bytes(_one(parts, 2))) if number == 2]
    content = b"".join(payload for number, payload in parts if number in (4, 5) and isinstance(payload, memoryview))
    if len(content) == 4:
        # One value stands for all; a view, so that a forged shape takes no memory.
        return np.broadcast_to(np.frombuffer(content, "<f4")[0], shape)
    if len(content) != 4 * math.prod(shape):
        raise ValueError(f"{len(content)} bytes for the shape {shape}")
    return np.frombuffer(content, "<f4").reshape(shape)


def _size(dimension: memoryview) -> int:
    """The size of one dimension; protobuf leaves out zeros."""
    size = dict(_fields(dimension)).get(1, 0)
    if not isinstance(size, int):
        raise ValueError("a size that is no number")
    return size


def _one(parts: list[tuple[int, Payload]], number: int) -> Payload:
    """The last payload of a field, as protobuf reads a field that is not repeated."""
    for found, payload in reversed(parts):
        if found == number:
            return payload
    raise ValueError(f"field {number} is missing")


def _bytes(payload: Payload) -> memoryview:
    if not isinstance(payload, memoryview):
        raise ValueError("a number where a message should be")
    return payload


def _fields(message: memoryview) -> Iterator[tuple[int, Payload]]:
    """(field number, payload) of one message, in file order."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == BYTES:
            length, at = _varint(message, at)
        elif wire in FIXED:
            length = FIXED[wire]
        else:
            raise ValueError(f"wire type {wire}")
        if length > len(message) - at:
            raise ValueError("cut off")
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """(value, position after it) of a number of seven bits a byte, the lowest first."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(message):
            raise ValueError("cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than 64 bits")
