"""What a scan found and what a people file holds, in words and in figures."""

from pathlib import Path
from typing import Any

from unlearn.people.scan import Options, Report
from unlearn.people.state import folder_of
from unlearn.people.vision import Vision
from unlearn.photos.labels.people_file import People
from unlearn.photos.rows import shown


def report(found: Report, out: Path, options: Options, vision: Vision) -> list[str]:
    """The end of a scan, and what to do next."""
    lines = [
        f"{found.photos:,} photos, {found.faces:,} faces: {found.persons:,} persons ({found.named:,} with a name), "
        f"{found.unclear:,} faces of nobody in particular, {found.doubts:,} in doubt",
        *(f"{count:,} photos not looked at: {reason}" for reason, count in sorted(found.unseen.items())),
        *vision.notes,
        f"{out}: names and boxes, no embeddings",
    ]
    if options.sheet:
        lines.append(f"{options.sheet}: SHOWS FACES; delete it when everyone has a name")
    kept = f"embeddings are kept in {folder_of(out)}; `unlearn people forget {out}` deletes them"
    lines.append(kept if options.keep_state else "embeddings were deleted")
    return [*lines, f"next: look through {out}, then unlearn protect PHOTOS OUT --people {out}"]


def facts(people: People) -> dict[str, Any]:
    """Counts by person."""
    rows = [
        {"name": p.name, "photos": p.photos, "faces": len(p.faces), "doubts": sum(f.doubt for f in p.faces)}
        for p in people.persons
    ]
    return {"persons": rows, "unclear": len(people.unclear)}


def table(people: People) -> list[str]:
    """One person a line, those with most photos first."""
    found = facts(people)
    rows = sorted(found["persons"], key=lambda row: (-row["photos"], row["name"]))
    lines = [
        f"{row['photos']:>7,} photos {row['faces']:>7,} faces {row['doubts']:>6,} in doubt  "
        f"{shown(row['name'].encode())}"
        for row in rows
    ]
    return [*lines, f"{len(rows):,} persons; {found['unclear']:,} faces of nobody in particular"]
