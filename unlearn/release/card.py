"""The data set card, README.md: generated from facts and measurements, never typed by hand."""

import re
from typing import Any

from unlearn import quantities
from unlearn.release import table, wording
from unlearn.release.facts import Facts
from unlearn.release.formats import FORMATS
from unlearn.release.markdown import fenced, plain
from unlearn.release.record import Release, Split

_SIZES = {
    1_000: "n<1K",
    10_000: "1K<n<10K",
    100_000: "10K<n<100K",
    1_000_000: "100K<n<1M",
    10_000_000: "1M<n<10M",
}
_TAGS = ["unlearnable", "unlearnable-examples", "data-protection", "privacy"]


def render(release: Release, facts: Facts) -> str:
    """The card: YAML for the hub, then the text for people."""
    sections = (
        f"# {plain(facts.title)}",
        _verdict(facts.results),
        wording.INTRODUCTION,
        _protection(release, facts),
        _contents(release),
        _audit(facts.results),
        f"## What it does not protect against\n\n{wording.WEAKNESSES}",
        f"## How it was made\n\n{fenced(facts.recipe, 'yaml')}",
        f"## How to verify\n\n{wording.VERIFY}",
    )
    return f"---\n{_front_matter(release)}\n---\n\n" + "\n\n".join(filter(None, sections)) + "\n"


def _front_matter(release: Release) -> str:
    from huggingface_hub import DatasetCardData  # slow import; works offline

    form = FORMATS[release.format]
    # The parquet reader takes the features from the files; folders of images need them in the configuration.
    config = {
        "config_name": "default",
        "data_files": [{"split": split, "path": form.data_files(split)} for split in release.splits],
        "features": _features(release),
    }
    data = DatasetCardData(
        **_license(release.license),
        task_categories=["image-classification"],
        size_categories=_size(sum(split.samples for split in release.splits.values())),
        pretty_name=release.title,
        tags=_TAGS,
        configs=[config],
        dataset_info={"features": _features(release)},
    )
    return str(data.to_yaml()).strip()


def _features(release: Release) -> list[dict[str, Any]]:
    names = {str(label): name for label, name in enumerate(release.classes)}
    return [
        {"name": "id", "dtype": "string"},
        {"name": "image", "dtype": "image"},
        {"name": "label", "dtype": {"class_label": {"names": names}}},
    ]


def _license(stated: str | None) -> dict[str, str]:
    """The hub knows short identifiers; any other text becomes the name of an "other" license."""
    if stated is None:
        return {"license": "unknown"}
    if re.fullmatch(r"[a-z0-9][a-z0-9.-]*", stated):
        return {"license": stated}
    return {"license": "other", "license_name": stated}


def _size(samples: int) -> str:
    return next((name for bound, name in _SIZES.items() if samples < bound), "n>10M")


def _verdict(results: dict[str, Any] | None) -> str:
    if not results:
        return wording.NOT_AUDITED
    summary, about = results.get("summary") or {}, plain(results.get("prescreen") or "Audited")
    worst = plain(summary.get("worst_defense") or "not stated")
    return (
        f"**{about}.** Worst case: clean test accuracy {_number(summary.get('worst_case'))}, under "
        f"the defense **{worst}**. Without a defense: {_number(summary.get('protected'))}, with clean images "
        f"{_number(summary.get('clean'))}, with random noise {_number(summary.get('random'))}, "
        f"by chance {_number(results.get('chance'))}."
    )


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) and not isinstance(value, bool) else "not run"


def _protection(release: Release, facts: Facts) -> str:
    measured = release.measured
    share = f"{release.protected_share:.1%} of the training images"
    lines = {
        "method": f"{plain(facts.method)}: {plain(facts.method_line)}",
        "noise": f"{plain(facts.rows)}, {release.limits.words}",
        "budget asked": _budget(release),
        "budget measured": f"largest change {measured.max_levels} of 255 levels",
        "quality measured": f"mean PSNR {measured.psnr:.1f} dB, mean SSIM {measured.ssim:.3f}, "
        f"worst SSIM {measured.worst_ssim:.3f}, on {measured.images} images",
        "protected": share if release.protected_share == 1.0 else f"{share}; {wording.PARTIAL}",
        "recipe hash": plain(facts.recipe_hash),
        "source": plain(facts.source),
        "license of the source": plain(facts.license or "not stated"),
        "versions": plain(", ".join(f"{name} {version}" for name, version in release.versions.items())),
    }
    return "## Protection\n\n| | |\n|---|---|\n" + "\n".join(f"| {k} | {v} |" for k, v in lines.items())


def _budget(release: Release) -> str:
    if release.limits.levels >= quantities.LEVELS:
        return "none for the change of a value"
    return f"epsilon = {quantities.text(release.epsilon)}"


def _contents(release: Release) -> str:
    contents = {"train": "protected images", "test": wording.TEST_COPIED}
    channels, height, width = release.shape
    lines = [_split_line(name, release.splits.get(name), what) for name, what in contents.items()]
    size = f"{width}x{height} pixels with {channels} channel{'s' if channels > 1 else ''}"
    return (
        f"## Contents\n\nPNG images of {size}, {len(release.classes)} classes, in the source's order. "
        f"{wording.NOTHING_ELSE}\n\n"
        "| split | images | content |\n|---|---|---|\n" + "\n".join(lines)
    )


def _split_line(name: str, split: Split | None, what: str) -> str:
    if split is None:
        return f"| {name} | 0 | {wording.TEST_OMITTED} |"
    return f"| {name} | {split.samples} | {what} |"


def _audit(results: dict[str, Any] | None) -> str:
    if not results:
        return ""
    worst = plain((results.get("summary") or {}).get("worst_defense") or "not stated")
    made = f"{plain(results.get('method'))}, epsilon = {_epsilon(results.get('epsilon'))}"
    return (
        f"## Audit\n\n{wording.AUDIT}\n\n{table.audit(results.get('rows') or [])}\n\n"
        f"Worst defense by name: **{worst}**. Chance level: {_number(results.get('chance'))}. "
        f"Audited: {made}, data set {plain(results.get('dataset'))}."
    )


def _epsilon(value: Any) -> str:
    return str(quantities.text(value)) if isinstance(value, int | float) else "not stated"
