"""What the doctor says of the packages for faces; the rest is tested with the command line."""

import subprocess
import sys

import pytest
from conftest import SOURCE_TREE

from unlearn import doctor


@pytest.fixture(autouse=True)
def sound_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process that imports torch: another test has one."""
    monkeypatch.setattr(doctor, "PAIR", "")


def test_missing_face_packages_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in ("dlib-bin", "onnx") else real(name))
    found = doctor.examine()
    assert {"dlib-bin", "onnx"} <= set(found["missing_for_faces"])
    assert found["healthy"], "faces are an extra"
    line = next(line for line in doctor.text(found).splitlines() if line.startswith("faces"))
    assert "dlib-bin" in line
    assert "pip install 'unlearn[faces]'" in line


def test_all_face_packages_are_one_short_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FACES", ("numpy",))
    line = next(line for line in doctor.text(doctor.examine()).splitlines() if line.startswith("faces"))
    assert line.split(maxsplit=1)[1] == "all packages installed"


def test_face_packages_are_found_without_importing_anything() -> None:
    code = (
        "import sys\nfrom unlearn import doctor\n[doctor._version(name) for name in doctor.FACES]\n"
        "heavy = {'torch', 'cv2', 'dlib', 'onnx'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=SOURCE_TREE)
    assert done.returncode == 0, done.stderr
