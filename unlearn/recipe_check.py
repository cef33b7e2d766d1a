"""Checking a recipe: each part against the schema that its name stands for, all problems at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unlearn import recipe_files, recipe_kinds, registry, schema
from unlearn.audit.face_plan import FacePlan
from unlearn.audit.plan import AuditPlan
from unlearn.crafting.schedule import Surrogate
from unlearn.errors import RecipeError, UnlearnError
from unlearn.faces import embedders as faces
from unlearn.quantities import FINEST
from unlearn.recipe_files import Source
from unlearn.recipe_kinds import Kind
from unlearn.recipe_schema import DataSettings, TopLevel

Found = list[schema.Problem]


def refuse(source: Source, problems: Sequence[schema.Problem]) -> None:
    """Raise RecipeError with all problems, in the order of the file; nothing where there are none."""
    if problems:
        ordered = sorted(dict.fromkeys(problems), key=lambda problem: source.place(problem[0]) or (0, 0))
        raise RecipeError([source.describe(path, sentence) for path, sentence in ordered])


def method(spec: Any) -> tuple[Any, str, Found]:
    """A method from its name or mapping: (method, name, problems)."""
    if spec is None:
        return None, "", []
    name = spec.get("name") if isinstance(spec, Mapping) else spec
    try:
        found, problems = schema.named(lambda n: registry.load("methods", n), spec)
    except UnlearnError as error:
        return None, "", [(("method", "name"), str(error))]
    return found, str(name), _under("method", problems)


def data(spec: Any) -> tuple[DataSettings, str, dict[str, Any], Found]:
    """A source and its options from their mapping: (settings, source, options, problems)."""
    if spec is None:
        return DataSettings(), "", {}, []
    if not isinstance(spec, Mapping) or not isinstance(spec.get("source"), str):
        sentence = "expected a mapping with a source, such as {source: parquet, path: ...}"
        return DataSettings(), "", {}, [(("data",), sentence)]
    try:
        return _source(spec["source"], {key: value for key, value in spec.items() if key != "source"})
    except UnlearnError as error:
        return DataSettings(), "", {}, [(("data", "source"), str(error))]


def _source(name: str, given: Mapping[str, Any]) -> tuple[DataSettings, str, dict[str, Any], Found]:
    options_schema = schema.of_function(registry.load("sources", name), skip=("split",))
    own, common = schema.field_names(options_schema), schema.field_names(DataSettings)
    problems: Found = [
        (("data", key), _not_a_field(key, name, [*own, *common])) for key in given if key not in {*own, *common}
    ]
    options, more = schema.check(options_schema, {k: v for k, v in given.items() if k in own})
    settings, most = schema.check(DataSettings, {k: v for k, v in given.items() if k in common})
    problems += _under("data", [*more, *most])
    return settings, name, options.model_dump() if options else {}, problems


def _not_a_field(key: str, owner: str, choices: Sequence[str]) -> str:
    return f"not a field of {owner} ({', '.join(choices)}){registry.suggestion(key, choices)}"


def audit(spec: Any) -> tuple[AuditPlan, Found]:
    """An audit plan from the name of its recipe or from a mapping."""
    if isinstance(spec, str):
        try:
            return load_audit(spec), []
        except UnlearnError as error:
            return AuditPlan(), [(("audit",), str(error))]
    plan, problems = schema.check(AuditPlan, spec)
    return plan, _under("audit", problems)


def load_audit(name_or_path: str) -> AuditPlan:
    """Read an audit recipe by name (`audits/standard`) or path.

    Raises:
        RecipeError: with every problem found.
    """
    plan: AuditPlan = plan_of(recipe_files.read(name_or_path), recipe_kinds.AUDIT)
    return plan


def load_matching(name_or_path: str) -> FacePlan:
    """Read the recipe of an audit against matching, such as `audits/faces`, by name or path.

    Raises:
        RecipeError: with every problem found.
    """
    plan: FacePlan = plan_of(recipe_files.read(name_or_path), recipe_kinds.MATCHING)
    return plan


def plan_of(source: Source, kind: Kind) -> Any:
    """The plan of either audit, checked.

    Raises:
        RecipeError: with every problem found.
    """
    recipe_kinds.require(source, kind)
    plan, problems = schema.check(kind.schema, source.content)
    refuse(source, problems)
    return kind.schema(**vars(plan))


def network(content: Mapping[str, Any]) -> Found:
    """Problems with the surrogate's name."""
    surrogate = content.get("surrogate")
    name = surrogate.get("network") if isinstance(surrogate, Mapping) else None
    try:
        registry.require("network", name or Surrogate().network, registry.networks())
    except UnlearnError as error:
        return [(("surrogate", "network"), str(error))]
    if str(name).startswith(registry.PRESCREEN):
        others = [other for other in registry.networks() if not other.startswith(registry.PRESCREEN)]
        sentence = f"{name} is for pre-screens only, its first layer is fitted to images; take one of: "
        return [(("surrogate", "network"), sentence + ", ".join(others))]
    return []


def embedders(content: Mapping[str, Any]) -> Found:
    """Problems with the embedders: names that do not exist, files that are not there. Reads no weights."""
    given = content.get("embedders")
    names = given if isinstance(given, list) else []
    return [(("embedders", str(i)), wrong) for i, name in enumerate(names) if (wrong := _embedder(name))]


def _embedder(name: Any) -> str | None:
    if not isinstance(name, str) or name in faces.names():
        return None  # the schema says that a name must be text
    if "/" in name or name.lower().endswith(faces.SUFFIX):
        return None if Path(name).expanduser().is_file() else f"no file {name}"
    near = registry.suggestion(name, faces.names())
    return f'embedder "{name}" does not exist{near}; there are: {", ".join(faces.names())}, and paths of ONNX files'


def together(top: TopLevel, chosen: Any) -> Found:
    """Values that are possible alone and impossible together."""
    problems: Found = []
    for i, part in enumerate(getattr(chosen, "parts", ())):
        own = replace(top, epsilon=top.epsilon * part.share, rows=part.rows or top.rows)
        found = together(own, part.method)
        problems += [(("method", "parts", str(i), *p[1:]) if p[0] == "method" else p, text) for p, text in found]
    pgd, schedule = getattr(chosen, "pgd", None), getattr(chosen, "schedule", None)
    if getattr(chosen, "NEEDS_EMBEDDERS", False) and not top.embedders:
        problems.append((("embedders",), "is missing: this method moves features of faces; such as [facenet, dlib]"))
    if (top.band is not None or getattr(chosen, "NEEDS_EMBEDDERS", False)) and top.epsilon > FINEST:
        problems.append(
            (("epsilon",), "is above 127/255, which is as far as noise goes that is scaled before it is saved")
        )
    if getattr(chosen, "step_size", 0) > top.epsilon:
        problems.append((("method", "step_size"), "is larger than epsilon: the first step leaves the budget"))
    if pgd and pgd.step_size > top.epsilon:
        problems.append((("method", "pgd", "step_size"), "is larger than epsilon: the first step leaves the budget"))
    if schedule and schedule.portion < 1 and top.rows == "sample-wise":
        place = ("method", "schedule", "portion")
        problems.append((place, "sample-wise noise needs 1.0, the other samples would stay clean; see target.portion"))
    return problems


def _under(section: str, problems: Sequence[schema.Problem]) -> Found:
    return [((section, *path), sentence) for path, sentence in problems]
