"""Recipes: YAML -> frozen dataclasses. Every error at once, with its place, its path and the nearest name."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict

from unlearn import recipe_check, recipe_files, recipe_kinds, schema
from unlearn.audit.plan import AuditPlan
from unlearn.crafting.domain import Band
from unlearn.crafting.schedule import Surrogate
from unlearn.crafting.target import Target
from unlearn.recipe_check import refuse
from unlearn.recipe_files import Source
from unlearn.recipe_schema import DataSettings, Expected, TopLevel

SHARED = ("epsilon", "rows", "band", "target", "surrogate", "embedders", "seed", "precision", "beside", "expected")
# The seed regenerates the noise; the target says which samples are clean.
SECRETS = ("seed", "target", "beside", "expected", "audit")
# How data are held, which decides nothing and names a place.
HOLDING = ("memory", "cache")


@dataclass(frozen=True)
class Recipe:
    """A whole run. `method` and `source` are resolved by name; see `validate`.

    embedders: recognisers of faces that noise is crafted on, by name or by the path of an ONNX file.
    beside: further recipes that are crafted and audited in the same table.
    expected: bounds on the figures of summary, by set.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    method_name: str
    method: Any
    source: str
    source_options: dict[str, Any]
    data: DataSettings
    epsilon: float
    rows: str
    band: Band | None
    target: Target
    surrogate: Surrogate
    embedders: tuple[str, ...]
    audit: AuditPlan
    seed: int
    precision: str
    beside: tuple[str, ...]
    expected: dict[str, Expected]

    @property
    def hash(self) -> str:
        """16 hexadecimal digits of everything that decides the noise."""
        text = json.dumps(deciding(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by name (`demo`, `faces/em`) or path, with dotted overrides `method.pgd.steps=5`.

    Raises:
        RecipeError: with every problem found, or one line where it is the recipe of an audit.
        UnknownName: no such recipe, with the nearest name.
    """
    source = recipe_files.read(name_or_path, overrides)
    return validate(source)


def validate(source: Source) -> Recipe:
    """Check a recipe's content against the schemas that its names stand for, all of them at once."""
    content = source.content
    recipe_kinds.require(source, recipe_kinds.NOISE)
    top, problems = schema.check(TopLevel, content)
    method, method_name, wrong_method = recipe_check.method(content.get("method"))
    data, source_name, options, wrong_data = recipe_check.data(content.get("data"))
    audit, wrong_audit = recipe_check.audit(content.get("audit", "audits/standard"))
    wrong_names = [*recipe_check.network(content), *recipe_check.embedders(content)]
    refuse(source, [*problems, *wrong_method, *wrong_data, *wrong_audit, *wrong_names])
    refuse(source, recipe_check.together(top, method))
    shared = {name: getattr(top, name) for name in SHARED}
    return Recipe(
        name=source.name,
        method_name=method_name,
        method=method,
        source=source_name,
        source_options=options,
        data=data,
        audit=audit,
        **shared,
    )


def resolved(recipe: Recipe) -> dict[str, Any]:
    """The recipe with every default written out, ready to be saved and run again."""
    return {
        "method": {"name": recipe.method_name, **schema.plain(recipe.method)},
        "data": {"source": recipe.source, **recipe.source_options, **schema.plain(recipe.data)},
        **{
            name: schema.plain(TopLevel(method=None, data=None, **{name: getattr(recipe, name)}))[name]
            for name in SHARED
        },
        "audit": schema.plain(recipe.audit),
    }


def deciding(recipe: Recipe) -> dict[str, Any]:
    """What decides the noise, of the resolved recipe: no audit, no expectations, no place of a file."""
    content = resolved(recipe)
    names = ("method", "epsilon", "rows", "band", "target", "surrogate", "seed", "precision")
    data = {"samples": content["data"]["train_samples"], "fit": content["data"]["fit"]}
    faces = {"embedders": embedder_names(recipe)} if recipe.embedders else {}
    return {key: content[key] for key in names} | data | faces


def embedder_names(recipe: Recipe) -> list[str]:
    """The embedders without the places of their files."""
    return [Path(name).name for name in recipe.embedders]


def public(recipe: Recipe) -> dict[str, Any]:
    """The resolved recipe as others may see it: see SECRETS, and no place of a file."""
    content = resolved(recipe)
    hidden = {*recipe.source_options, *HOLDING}
    data = {key: value for key, value in content["data"].items() if key not in hidden}
    shown = content | {"data": data, "embedders": embedder_names(recipe)}
    return {key: value for key, value in shown.items() if key not in SECRETS}


def to_yaml(content: Mapping[str, Any]) -> str:
    """YAML in the order of the mapping."""
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=100)
