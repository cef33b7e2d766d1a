"""Writing protected photos with an existing key, beside the bare codec on the same files in the same run.

    python scripts/bench/photos.py DIR [--photos N] [--processes 2] [--rounds 3] [--verify none all] [--json FILE]
    python scripts/bench/photos.py --quick

Bare means: read the file, decode, encode with the same library and the same settings, write the file; no noise, no
numpy, no checks. Both sides use the same number of processes, in turns, on the same files; the ratio of their
throughputs is the result. `linear` repeats the archive's side on a fifth of the files.
"""

import argparse
import io
import json
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image, JpegImagePlugin

from unlearn import protection
from unlearn.errors import UnlearnError
from unlearn.photos import keys, sniffing
from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import codec
from unlearn.photos.keys import Key
from unlearn.photos.options import Options
from unlearn.photos.picture import Damaged, LeftOut
from unlearn.photos.writing import Writing

SUBJECT = "bench"


def bare(job: tuple[str, str]) -> int:
    """Decode and encode one file as its codec does, and write it; returns 1 for a photo, 0 for what is left out."""
    source, target = job
    data = Path(source).read_bytes()
    format = sniffing.kind(data[:4096], os.fsencode(source)).format
    try:
        if format == "jpeg":
            Path(target).write_bytes(_bare_jpeg(data))
        else:
            module = codec(format)
            Path(target).write_bytes(module.write(module.read(data, Writing()), Blocks(), Writing()))
    except (LeftOut, Damaged):
        return 0
    return 1


def _bare_jpeg(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as image:
        image.load()
        sampling = JpegImagePlugin.get_sampling(image)
        kind = {"progressive": True} if image.info.get("progressive") else {}
        out = io.BytesIO()
        image.save(out, "JPEG", qtables=image.quantization, subsampling=max(0, sampling), **kind)
        return out.getvalue()


def run_bare(files: list[Path], processes: int, folder: Path) -> dict[str, Any]:
    """All files through the bare codec."""
    jobs = [(str(path), str(folder / f"{number}{path.suffix}")) for number, path in enumerate(files)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(bare, jobs[:processes]))  # start-up is not the codec's
        started = time.monotonic()
        photos = sum(pool.map(bare, jobs, chunksize=4))
        return {"photos": photos, "seconds": time.monotonic() - started}


def run_archive(photos: Path, out: Path, key: Path, processes: int, verify: Any, limit: int | None) -> dict[str, Any]:
    """The archive's own way, start-up included."""
    started = time.monotonic()
    options = Options(keys=(key,), workers=processes, verify_written=verify, limit=limit, fsync=False)
    summary = protection.protect(photos, out, options)
    seconds = time.monotonic() - started
    return {"photos": summary.files["protected"], "seconds": seconds}


def a_key(folder: Path, side: int = 32, levels: int = 6) -> Path:
    """A random color key: applying it costs what any key costs."""
    draw = np.random.default_rng(0).integers(-levels * 256, levels * 256 + 1, (1, 3, side, side))
    path = folder / "bench.safetensors"
    keys.save(path, Key(SUBJECT, draw.astype(np.int16), levels / 255, "mid", bytes(32), ""))
    return path


def measure(photos: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Rounds of bare and archive in turns, and the archive on a fifth of the files."""
    files = sorted(path for path in photos.rglob("*") if path.is_file())[: arguments.photos]
    rounds = []
    with tempfile.TemporaryDirectory(dir=photos.parent) as scratch:
        place = Path(scratch)
        key = a_key(place)
        for _ in range(arguments.rounds):
            one = {"bare": _kept_clean(place / "bare", lambda out: run_bare(files, arguments.processes, out))}
            one |= {
                verify: _kept_clean(place / "out", lambda out, v=verify: _archive(photos, out, key, arguments, v))
                for verify in arguments.verify
            }
            rounds.append(one)
        fifth = _kept_clean(
            place / "fifth",
            lambda out: _archive(photos, out, key, arguments, arguments.verify[0], max(1, len(files) // 5)),
        )
    return _figures(rounds, fifth, files, arguments)


def _archive(
    photos: Path, out: Path, key: Path, arguments: argparse.Namespace, verify: str, limit: int | None = None
) -> dict[str, Any]:
    return run_archive(photos, out, key, arguments.processes, verify, limit or arguments.photos)


def _kept_clean(folder: Path, work: Any) -> dict[str, Any]:
    folder.mkdir()
    found: dict[str, Any] = work(folder)
    shutil.rmtree(folder)
    return found


def _figures(
    rounds: list[dict[str, Any]], fifth: dict[str, Any], files: list[Path], arguments: argparse.Namespace
) -> dict[str, Any]:
    def rate(run: dict[str, Any]) -> float:
        return float(run["photos"] / run["seconds"])

    first = arguments.verify[0]
    sizes = sum(path.stat().st_size for path in files)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "files": len(files),
        "megabytes": round(sizes / 1e6),
        "processes": arguments.processes,
        "bare_photos_per_second": round(statistics.median(rate(one["bare"]) for one in rounds), 2),
        "photos_per_second": {v: round(statistics.median(rate(one[v]) for one in rounds), 2) for v in arguments.verify},
        "share_of_bare": {
            v: round(statistics.median(rate(one[v]) / rate(one["bare"]) for one in rounds), 3) for v in arguments.verify
        },
        "shares_by_round": {
            v: [round(rate(one[v]) / rate(one["bare"]), 3) for one in rounds] for v in arguments.verify
        },
        "linear": {
            "photos": fifth["photos"],
            "seconds_a_photo_relative_to_all": round(
                (fifth["seconds"] / fifth["photos"]) / (1 / rate(rounds[-1][first])), 3
            ),
        },
        "largest_process_mb": round(peak * 1024 / 1e6),
        "machine": {"cores": psutil.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
    }


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="Photos a second beside the bare codec.")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--photos", type=int, help="use so many of the files")
    parser.add_argument("--processes", type=int, default=psutil.cpu_count(logical=False) or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--verify", nargs="+", default=["none", "all"], choices=["none", "sample", "all"])
    parser.add_argument("--quick", action="store_true", help="a few small generated photos, one round")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.quick:
        found = _quick(arguments)
    elif arguments.folder is None:
        parser.error("name a folder of photos, or use --quick")
    else:
        try:
            found = measure(arguments.folder, arguments)
        except UnlearnError as error:
            parser.error(str(error))
    text = json.dumps(found, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


def _quick(arguments: argparse.Namespace) -> dict[str, Any]:
    arguments.rounds, arguments.photos = 1, None
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch) / "photos"
        photos.mkdir()
        generator = np.random.default_rng(0)
        for number in range(10):
            coarse = generator.integers(0, 256, (9, 12, 3), dtype=np.uint8)
            shown = Image.fromarray(coarse).resize((800, 600), Image.Resampling.BICUBIC)
            shown.save(photos / f"{number}.{'png' if number % 5 == 4 else 'jpg'}")
        return measure(photos, arguments)


if __name__ == "__main__":
    sys.exit(main())
