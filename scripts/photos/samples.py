"""Write the project's sample photos and their README: the same bytes every time.

python scripts/photos/samples.py [DIR]      (default: data/photos)
"""

import argparse
from pathlib import Path

import jpeg_samples
import other_samples

ROOT = Path(__file__).parents[2]
README = "README.md"
LARGEST = 600_000
INTRODUCTION = """# Sample photos

Drawn by `python scripts/photos/samples.py`, which writes this table too; nothing here shows anybody. Clean copies that
hide inside a file are filled with one marker color (255, 0, 220), so that tests can look for it in what was written.

| file | bytes | what it is for |
|---|---|---|
"""


def samples() -> dict[str, tuple[bytes, str]]:
    """Name: (bytes, what it is for), sorted by name."""
    return dict(sorted({**jpeg_samples.files(), **other_samples.files()}.items()))


def readme(found: dict[str, tuple[bytes, str]]) -> str:
    """The table of all samples."""
    return INTRODUCTION + "".join(f"| `{name}` | {len(data):,} | {why} |\n" for name, (data, why) in found.items())


def write(folder: Path) -> int:
    """Write all samples and their README; returns the number of bytes."""
    found = samples()
    total = sum(len(data) for data, _ in found.values())
    if total > LARGEST:
        raise SystemExit(f"{total:,} bytes, more than the {LARGEST:,} that the repository can bear")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (data, _) in found.items():
        (folder / name).write_bytes(data)
    (folder / README).write_text(readme(found))
    return total


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description="Write the project's sample photos.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "data" / "photos")
    folder = parser.parse_args().folder
    total = write(folder)
    print(f"{folder}: {len(samples())} samples, {total / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
