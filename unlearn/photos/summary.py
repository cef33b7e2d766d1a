"""What a run has done and what it costs, gathered from the manifest, as plain data."""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from unlearn.photos import face_summary, wording
from unlearn.photos.archive import Ended
from unlearn.photos.face_summary import Faces
from unlearn.photos.ledger import Tally
from unlearn.photos.manifest import Manifest
from unlearn.photos.rows import STATUSES, shown
from unlearn.photos.survey import Survey

WORST = 10
LITTLE_KEPT = 0.5
HDR = ("gain map", "HDR gain map")


@dataclass(frozen=True)
class Spread:
    """Of one figure over all photos: the median and the worst."""

    median: float
    worst: float


@dataclass(frozen=True)
class Quality:
    """What protection costs, measured on the written files. worst: path, SSIM and PSNR of the worst by SSIM.

    little_kept: photos in which less than half of the noise survived. measured: photos.
    """

    measured: int = 0
    psnr: Spread | None = None
    ssim: Spread | None = None
    linf: Spread | None = None
    kept: Spread | None = None
    little_kept: int = 0
    worst: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True)
class Summary:
    """Of an archive after a run.

    run: files worked on in this run, by status. files: all files of PHOTOS, by status. left_out, copied: by reason.
    dropped: photos by kind of clean copy or metadata left behind. growth: bytes written for each byte of the photos.
    stopped: why the run ended early. state: where the manifest lies.
    """

    exit_code: int = 0
    seconds: float = 0.0
    stopped: str = ""
    run: Counter[str] = field(default_factory=Counter)
    run_bytes: int = 0
    unchanged: int = 0
    files: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    subjects: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    copied: Counter[str] = field(default_factory=Counter)
    unprotected: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    unreadable: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    vanished: tuple[str, ...] = ()
    pruned: int = 0
    conflicts: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    quality: Quality = Quality()
    faces: Faces = Faces()
    growth: float | None = None
    not_covered: tuple[str, ...] = wording.not_covered()

    @property
    def hdr_lost(self) -> int:
        """Photos that had an HDR gain map."""
        return max((self.dropped[name] for name in HDR), default=0)

    def facts(self) -> dict[str, Any]:
        """For the `summary` event."""
        found: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, Counter):
                found[name] = {key: value[key] for key in sorted(value) if value[key]}
            elif isinstance(value, Quality | Faces):
                found[name] = _plain(value)
            else:
                found[name] = list(value) if isinstance(value, tuple) else value
        return {**found, "hdr_lost": self.hdr_lost}


def _plain(quality: Quality | Faces) -> dict[str, Any]:
    return {name: vars(value) if isinstance(value, Spread) else value for name, value in vars(quality).items()}


def gather(
    manifest: Manifest,
    ended: Ended,
    survey: Survey,
    source: int,
    threats: tuple[str, ...] = ("training",),
    on_faces: tuple[str, ...] = (),
    face_keys: Collection[str] = (),
) -> Summary:
    """Count and measure over the rows of one folder of photos.

    Args:
        threats: what all noise protects against. on_faces: what the noise on faces does.
        face_keys: who has a key for faces.
    """
    where, of = "WHERE source = ?", (source,)
    statuses = Counter({str(s): int(n) for s, n in _counts(manifest, "status", where, of)})
    protected = f"{where} AND status = 'protected'"
    return Summary(
        **_of_run(ended),
        files=Counter({status: statuses[status] for status in STATUSES}),
        formats=Counter({str(f): int(n) for f, n in _counts(manifest, "format", protected, of)}),
        subjects=Counter({str(s): int(n) for s, n in _counts(manifest, "subject", protected, of)}),
        left_out=_grouped(manifest, f"{where} AND status = 'left-out'", of),
        copied=_grouped(manifest, f"{where} AND status = 'copied'", of),
        unprotected=_unprotected(manifest, where, of),
        notes=_json_counts(manifest, "notes", protected, of),
        dropped=_json_counts(manifest, "dropped", protected, of),
        rules=survey.skipped.rules,
        unreadable=tuple(f"{shown(path)}: {reason}" for path, reason in survey.skipped.unreadable),
        conflicts=tuple(survey.conflicts),
        doubts=tuple(survey.notes),
        quality=_quality(manifest, protected, of),
        faces=face_summary.gather(manifest, where, of, on_faces, face_keys),
        growth=_growth(manifest, protected, of),
        not_covered=wording.not_covered(threats),
    )


def _of_run(ended: Ended) -> dict[str, Any]:
    """What the run itself knows."""
    tally: Tally = ended.tally
    counts = {"run": tally.worked, "run_bytes": tally.bytes, "unchanged": tally.unchanged, "pruned": tally.pruned}
    names = {"failures": tuple(sorted(tally.failures)), "vanished": tuple(tally.vanished)}
    return {name: getattr(ended, name) for name in ("exit_code", "seconds", "stopped")} | counts | names


def _counts(manifest: Manifest, column: str, where: str, of: tuple[int]) -> list[tuple[Any, ...]]:
    return manifest.ask(f"SELECT {column}, count(*) FROM file {where} GROUP BY {column}", *of)


def _grouped(manifest: Manifest, where: str, of: tuple[int]) -> Counter[str]:
    groups: Counter[str] = Counter()
    for reason, format, count in manifest.ask(
        f"SELECT reason, format, count(*) FROM file {where} GROUP BY reason, format", *of
    ):
        groups[wording.group(reason, format)] += count
    return groups


def _unprotected(manifest: Manifest, where: str, of: tuple[int]) -> int:
    """Copies of files that may show clean pixels: everything copied but sidecars."""
    question = f"SELECT count(*) FROM file {where} AND status = 'copied' AND format != 'sidecar'"
    return int(manifest.ask(question, *of)[0][0])


def _json_counts(manifest: Manifest, column: str, where: str, of: tuple[int]) -> Counter[str]:
    """In how many photos each kind occurs; photos with the same kinds are counted together."""
    found: Counter[str] = Counter()
    for text, count in _counts(manifest, column, where, of):
        for kind in json.loads(text):
            found[str(kind)] += count
    return found


def _growth(manifest: Manifest, where: str, of: tuple[int]) -> float | None:
    before, after = manifest.ask(f"SELECT sum(size), sum(out_size) FROM file {where}", *of)[0]
    return after / before if before else None


def _quality(manifest: Manifest, where: str, of: tuple[int]) -> Quality:
    where += " AND psnr IS NOT NULL"
    measured = int(manifest.ask(f"SELECT count(*) FROM file {where}", *of)[0][0])
    if not measured:
        return Quality()
    worst: Iterable[tuple[Any, ...]] = manifest.ask(
        f"SELECT path, ssim, psnr FROM file {where} ORDER BY ssim, psnr, path LIMIT {WORST}", *of
    )
    little = manifest.ask(f"SELECT count(*) FROM file {where} AND kept < {LITTLE_KEPT}", *of)[0][0]
    return Quality(
        measured=measured,
        psnr=_spread(manifest, "psnr", where, of, worst="min"),
        ssim=_spread(manifest, "ssim", where, of, worst="min"),
        linf=_spread(manifest, "linf", where, of, worst="max"),
        kept=_spread(manifest, "kept", where, of, worst="min"),
        little_kept=int(little),
        worst=tuple((shown(bytes(path)), float(ssim), float(psnr)) for path, ssim, psnr in worst),
    )


def _spread(manifest: Manifest, column: str, where: str, of: tuple[int], worst: str) -> Spread | None:
    where += f" AND {column} IS NOT NULL"
    count, extreme = manifest.ask(f"SELECT count(*), {worst}({column}) FROM file {where}", *of)[0]
    if not count:
        return None
    middle = f"SELECT {column} FROM file {where} ORDER BY {column} LIMIT 1 OFFSET {(count - 1) // 2}"
    return Spread(float(manifest.ask(middle, *of)[0][0]), float(extreme))
