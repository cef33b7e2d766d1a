"""What the caller knows about a protected data set and its card may say; nothing here is secret."""

from dataclasses import dataclass
from typing import Any

from unlearn.promise import Promise


@dataclass(frozen=True)
class Facts:
    """Everything the card says.

    title: name of the release, e.g. "cifar10-small".
    method, method_line: the method's name, and the first line of its docstring (paper and algorithm).
    rows: "sample-wise" or "class-wise".
    epsilon: the L-infinity budget that was asked for, in [0, 1].
    recipe: YAML text of the resolved recipe without seed and paths; `write` refuses it otherwise.
    source: the source data, e.g. "parquet" or "hub owner/name@revision".
    license: the source's license as the user states it.
    versions: name -> version of the libraries that made the release.
    protected_share: share of the training samples that were changed; `write` states the mask's share.
    results: the parsed results.json of an audit, or None when there was none.
    promise: what the perturbation keeps to on every image; None for epsilon alone.
    """

    title: str
    method: str
    method_line: str
    rows: str
    epsilon: float
    recipe: str
    recipe_hash: str
    source: str
    license: str | None
    versions: dict[str, str]
    protected_share: float
    results: dict[str, Any] | None = None
    promise: Promise | None = None
