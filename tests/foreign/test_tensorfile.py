"""Tensors from files of torch.save: read bit for bit as torch would, and hostile ones refused without running them."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unlearn.errors import DataError
from unlearn.foreign import tensorfile

KINDS = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8)


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


@pytest.mark.parametrize("kind", [*KINDS, torch.uint8], ids=str)
def test_every_kind_of_number(kind: torch.dtype, tmp_path: Path) -> None:
    tensor = (torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5) % 100).to(kind)
    found = tensorfile.read(saved(tmp_path / "p.pt", tensor))
    assert found.shape == (2, 3, 4, 5)
    assert np.array_equal(found.astype(np.float64), tensor.double().numpy())


def test_views_are_read_as_torch_sees_them(tmp_path: Path) -> None:
    whole = torch.randn(6, 8, 8, 3)
    for view in (whole.permute(0, 3, 1, 2), whole[2:5], whole[:, ::2, 1::3], whole[0, 0, 0, 0].expand(4, 3, 2, 2)):
        assert np.array_equal(tensorfile.read(saved(tmp_path / "p.pt", view)), view.numpy())


def test_what_needs_gradients_is_still_a_tensor(tmp_path: Path) -> None:
    tensor = torch.ones(2, 3, requires_grad=True)
    assert tensorfile.read(saved(tmp_path / "p.pt", tensor)).tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol(protocol: int, tmp_path: Path) -> None:
    torch.save(torch.arange(12.0).reshape(3, 4), tmp_path / "p.pt", pickle_protocol=protocol)
    assert tensorfile.read(tmp_path / "p.pt").sum() == 66


class Runs:
    """What a hostile file holds: loading it would call a function."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("hidden", ["alone", "in a dict", "beside a tensor"])
def test_code_is_named_and_never_run(hidden: str, tmp_path: Path) -> None:
    trap = Runs(os.system, f"touch {tmp_path}/ran")
    value = {"alone": trap, "in a dict": {"noise": trap}, "beside a tensor": (torch.ones(2), trap)}[hidden]
    with pytest.raises(DataError, match=r"p.pt: (names posix\.system|holds the instruction EMPTY_DICT)") as caught:
        tensorfile.read(saved(tmp_path / "p.pt", value))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("function", [eval, getattr, torch.load, os.rmdir, OrderedDict], ids=lambda f: f.__name__)
def test_no_other_call_is_read(function: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"names |holds a call that builds no plain tensor|instruction"):
        tensorfile.read(saved(tmp_path / "p.pt", Runs(function, "1")))


@pytest.mark.parametrize(
    "value", [{"noise": torch.ones(2)}, [torch.ones(2)], (torch.ones(2), torch.ones(2)), "text", 3, None, np.ones(3)]
)
def test_only_one_tensor_is_read(value: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="only a plain tensor is read"):
        tensorfile.read(saved(tmp_path / "p.pt", value))


def test_the_format_before_torch_1_6_is_named(tmp_path: Path) -> None:
    torch.save(torch.ones(2, 2), tmp_path / "p.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match=r"written by torch before 1\.6"):
        tensorfile.read(tmp_path / "p.pt")


def entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, changes: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> Path:
    """The archive with other contents of some entries; names are without the root folder."""
    found = entries(path)
    root = next(iter(found)).partition("/")[0]
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in (found | {f"{root}/{name}": content for name, content in changes.items()}).items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return saved(tmp_path / "p.pt", torch.arange(480.0).reshape(10, 3, 4, 4))


def program(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, count: int = 480, key: str = "0") -> bytes:
    """The data.pkl of a tensor with any numbers in it."""

    class Storage:
        pass

    class Pickler(pickle._Pickler):
        def persistent_id(self, value: Any) -> Any:
            return ("storage", torch.FloatStorage, key, "cpu", count) if isinstance(value, Storage) else None

    stream = io.BytesIO()
    call = Runs(torch._utils._rebuild_tensor_v2, Storage(), offset, size, stride, False, OrderedDict())
    Pickler(stream, protocol=2).dump(call)
    return stream.getvalue()


def test_the_programs_of_these_tests_are_valid(file: Path) -> None:
    rewritten(file, {"data.pkl": program((10, 3, 4, 4), (48, 16, 4, 1))})
    assert np.array_equal(tensorfile.read(file).reshape(-1), np.arange(480))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (program((11, 3, 4, 4), (48, 16, 4, 1)), "reaches number 527, and 480 are stored"),
        (program((10, 3, 4, 4), (48, 16, 4, 1), offset=1), "reaches number 480"),
        (program((10, 3, 4, 4), (2**40, 16, 4, 1)), "reaches number"),
        (program((10, 3, 4, 4), (48, 16, 4, -1)), "whole numbers within bounds"),
        (program((10, 3, 4, 4), (48, 16, 4, 1), offset=-1), "whole numbers within bounds"),
        (program((10, 3, 4, 4), (48, 16, 4, 2**70)), "whole numbers within bounds"),
        (program((10, 3, 4, True), (48, 16, 4, 1)), "whole numbers within bounds"),
        (program((2**40, 2**40, 1, 1), (0, 0, 0, 0)), "would take"),
        (program((10, 3, 4, 4), (48, 16, 4)), "does not fit its strides"),
        (program((0, 3, 4, 4), (48, 16, 4, 1)), "without numbers"),
        (program((), ()), "without numbers"),
        (program((1,) * 9, (1,) * 9), "does not fit its strides"),
        (program((10, 3, 4, 4), (48, 16, 4, 1), count=481), "1,920 bytes of numbers, 1,924 expected"),
        (program((10, 3, 4, 4), (48, 16, 4, 1), key="../version"), r"no p/data/\.\./version"),
        (b"\x80\x02.", "from an empty stack|something else than one tensor"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "data.pkl is damaged"),
        (b"\x80\x02" + b"(" * 60_000 + b".", "something else than one tensor"),
        (b"\x80\x02" + b")" * 70_000 + b".", "longer than"),
        (b"\x80\x02h\x05.", "recalls a value"),
        (b"cos\nsystem\n(X\x02\x00\x00\x00idtR.", r"names os\.system"),
        (b"\x80\x02cposix\nsystem\nq\x00X\x02\x00\x00\x00id\x85R.", r"names posix\.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", r"names os\.system"),
        (b"", "data.pkl is damaged"),
        (np.random.default_rng(0).bytes(200), "p.pt"),
    ],
    ids=range(24),
)
def test_hostile_programs_are_one_clear_line(file: Path, made: bytes, message: str) -> None:
    rewritten(file, {"data.pkl": made})
    with pytest.raises(DataError, match=message) as caught:
        tensorfile.read(file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_compressed_archive_may_be_a_bomb(file: Path) -> None:
    rewritten(file, {"data/0": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 100_000
    with pytest.raises(DataError, match="is compressed or encrypted"):
        tensorfile.read(file)


def test_entries_that_overlap_or_lie_about_their_size(file: Path) -> None:
    content = file.read_bytes()
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(b"data/0"))
    huge = (2**31).to_bytes(4, "little")
    file.write_bytes(content[: at + 20] + huge * 2 + content[at + 28 :])  # compressed and whole size
    with pytest.raises(DataError, match="says that it holds"):
        tensorfile.read(file)


def test_many_or_repeated_entries(file: Path) -> None:
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("p/data.pkl", b"")
    with pytest.raises(DataError, match="two of one name"):
        tensorfile.read(file)


def test_big_endian_numbers(file: Path) -> None:
    with pytest.raises(DataError, match="little-endian"):
        tensorfile.read(rewritten(file, {"byteorder": b"big"}))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_truncated_files(file: Path, share: float) -> None:
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(DataError, match=r"not a readable file of torch\.save"):
        tensorfile.read(file)


def test_damaged_numbers_are_noticed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 255
    file.write_bytes(content)
    with pytest.raises(DataError):
        tensorfile.read(file)


def test_no_damage_of_a_byte_gets_further_than_an_error(file: Path) -> None:
    """Every byte of the archive's directory and program flipped in turn: an array or one DataError, nothing else."""
    content = file.read_bytes()
    for place in [*range(0, 400), *range(len(content) - 500, len(content))]:
        file.write_bytes(content[:place] + bytes([content[place] ^ 0x15]) + content[place + 1 :])
        assert "\n" not in outcome(file)


def outcome(file: Path) -> str:
    try:
        return str(tensorfile.read(file).shape)
    except DataError as error:
        return str(error)
