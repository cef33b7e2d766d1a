"""The export formats by name: a format is a module with these functions."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from unlearn.release import imagefolder, parquet
from unlearn.release.stored import Finding, Row


class Format(Protocol):
    """How rows become files and files become rows again; see the modules for what each function means."""

    def write(
        self, folder: Path, split: str, rows: Iterator[Row], classes: Sequence[str], shard_bytes: int
    ) -> None: ...

    def read(self, folder: Path, split: str, classes: Sequence[str]) -> Iterator[Row | Finding]: ...

    def texts(self, folder: Path, split: str) -> Iterator[tuple[str, str]]: ...

    def belongs(self, path: str, split: str, classes: Sequence[str]) -> bool: ...

    def data_files(self, split: str) -> str: ...


FORMATS: dict[str, Format] = {"parquet": parquet, "imagefolder": imagefolder}
