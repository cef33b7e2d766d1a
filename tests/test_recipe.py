"""Recipes: strict YAML, every error at once with its place and the nearest name, overrides, resolution."""

from collections.abc import Callable
from pathlib import Path

import pytest

from unlearn import recipe, recipe_check, recipe_files, recipe_kinds
from unlearn.audit.plan import AuditPlan
from unlearn.errors import RecipeError, UnknownName

ALL = [name for name in recipe_files.names() if not name.startswith("audits/")]
# Plans of the matching audit have a schema of their own, see tests/matching.
AUDITS = [name for name in recipe_files.names() if name.startswith("audits/") and not name.startswith("audits/faces")]
GOOD = "method: em\ndata: {source: embedded}\nsurrogate: {network: small_cnn}\n"


def problems(tmp_path: Path, text: str, *overrides: str) -> list[str]:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        recipe.load(str(path), overrides)
    return [line.replace(str(path), "mine.yaml") for line in caught.value.problems]


@pytest.mark.parametrize("name", ALL)
def test_every_recipe_is_valid_and_says_what_it_is(name: str) -> None:
    settings = recipe.load(name)
    text = recipe_files.find(name).read_text()
    assert text.startswith("# ")
    assert len(text.partition("\n")[0]) < 120
    assert "expected:" in text
    assert settings.name == name


@pytest.mark.parametrize("name", AUDITS)
def test_every_audit_is_valid(name: str) -> None:
    assert recipe_check.load_audit(name).defenses[0].label == "none"


@pytest.mark.parametrize("name", ALL)
def test_the_resolved_recipe_is_the_same_recipe(name: str, tmp_path: Path) -> None:
    settings = recipe.load(name)
    path = tmp_path / "again.yaml"
    path.write_text(recipe.to_yaml(recipe.resolved(settings)))
    again = recipe.load(str(path))
    assert recipe.resolved(again) == recipe.resolved(settings)
    assert again.hash == settings.hash


def test_fractions_are_written_back_as_fractions() -> None:
    content = recipe.resolved(recipe.load("em"))
    assert content["epsilon"] == "8/255"
    assert content["method"]["pgd"]["step_size"] == "0.8/255"


def test_all_errors_at_once_with_places_and_suggestions(tmp_path: Path) -> None:
    text = (
        "method:\n  name: em\n  pgd:\n    stepsize: 0.8/255\n    steps: ten\nepsilonn: 8/255\nepsilon: eight\n"
        "data: {source: embedded, sise: 32}\nsurrogate: {network: resnet19}\n"
        "audit: {victims: [vgg12], defenses: [jpg]}\n"
    )
    found = problems(tmp_path, text)
    for expected in (
        "mine.yaml:4:5 method.pgd.stepsize: not a field of PGD (step_size, steps, random_start); did you mean",
        'mine.yaml:5:5 method.pgd.steps: should be an integer, unable to parse string as an integer, got "ten"',
        "mine.yaml:6:1 epsilonn: not a field of",
        'mine.yaml:7:1 epsilon: expected a number such as 8/255, got "eight"',
        "mine.yaml:8:26 data.sise: not a field of embedded",
        'surrogate.network: network "resnet19" does not exist; did you mean resnet18?',
        'audit.victims.0: network "vgg12" does not exist; did you mean vgg11?',
        'audit.defenses.0: defense "jpg" does not exist; did you mean jpeg?',
    ):
        assert any(line.startswith(expected) or expected in line for line in found), (expected, found)
    assert len(found) == 8


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epsilon=3", "epsilon: should be less than or equal to 1"),
        ("epsilon=-1", "epsilon: should be greater than or equal to"),
        ("epsilon=eight", 'epsilon: expected a number such as 8/255, got "eight"'),
        ("epsilon=4/0", 'epsilon: expected a number such as 8/255, got "4/0"'),
        ("epsilon=0.5/255", "epsilon: should be greater than or equal to"),
        ("epsilon=.nan", "epsilon: expected a finite number"),
        ("epsilon=true", "epsilon: expected a number"),
        ("epsilon=[8]", "epsilon: expected a number"),
        ("method.pgd.steps=0", "method.pgd.steps: should be greater than or equal to 1"),
        ("method.pgd.step_size=9/255", "method.pgd.step_size: is larger than epsilon"),
        ("method.schedule.portion=0.5", "method.schedule.portion: sample-wise noise needs 1.0"),
        ("rows=pixel-wise", "rows: should be 'sample-wise' or 'class-wise'"),
        ("method=emm", 'method "emm" does not exist; did you mean em?'),
        ("method=3", "method: expected a name"),
        ("method=fawkes", "embedders: is missing: this method moves features of faces"),
        ("embedders=[facenett]", 'embedders.0: embedder "facenett" does not exist; did you mean facenet?'),
        ("embedders=[facenet, no/such.onnx]", "embedders.1: no file no/such.onnx"),
        ("embedders=[3]", "embedders.0: should be a string"),
        ("embedders=facenet", "embedders: should be a tuple"),
        ("data.source=huggingface", 'source "huggingface" does not exist'),
        ("data=3", "data: expected a mapping with a source"),
        ("data.train_samples=0", "data.train_samples: should be greater than or equal to 1"),
        ("seed=-1", "seed: should be greater than or equal to 0"),
        ("audit=audits/standart", "did you mean audits/standard?"),
        ("audit.seeds=0", "audit.seeds: should be greater than or equal to 1"),
        ("surrogate.sgd.lr=0", "surrogate.sgd.lr: should be greater than 0"),
        ("target.portion=0", "target.portion: should be greater than 0"),
        ("target=3", "target: should be"),
        ("method.schedule.max_rounds=1e9x", "method.schedule.max_rounds: should be an integer"),
    ],
)
def test_impossible_values(tmp_path: Path, override: str, message: str) -> None:
    found = problems(tmp_path, GOOD, override)
    assert any(message in line for line in found), found


@pytest.mark.parametrize("kind", [("band={cells: 32}",), ("method=opom", "embedders=[dlib]", "rows=class-wise")])
def test_noise_that_is_scaled_has_a_largest_budget(tmp_path: Path, kind: tuple[str, ...]) -> None:
    found = problems(tmp_path, GOOD, *kind, "epsilon=128/255")
    assert any("epsilon: is above 127/255" in line for line in found), found


def test_missing_parts_are_named(tmp_path: Path) -> None:
    assert problems(tmp_path, "epsilon: 8/255\n") == [
        "mine.yaml method: is missing",
        "mine.yaml data: is missing",
    ]


def test_duplicate_keys_are_errors_with_both_lines(tmp_path: Path) -> None:
    assert problems(tmp_path, "method: em\nmethod: random\n") == ["mine.yaml:2:1 method: given twice, first in line 1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: [em", "not readable as YAML"),
        ("- em\n", "expected a mapping such as 'method: em', found a list"),
        ("", "found nothing"),
        ("em", "found text"),
        ("a: &x [1]\nb: *x\n", "aliases and nesting"),
        ("a: !!python/object/apply:os.system [id]\n", "values are not for recipes"),
        ("a: " + "[" * 60 + "]" * 60, "aliases and nesting"),
        ("a: " + "[" * 5000, "not readable as YAML"),
        ("\tmethod: em", "not readable as YAML"),
    ],
)
def test_hostile_yaml(tmp_path: Path, text: str, message: str) -> None:
    assert any(message in line for line in problems(tmp_path, text))


def test_binary_and_huge_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 1_000_001)
    for name, message in (("binary", "not UTF-8"), ("huge", "larger than")):
        with pytest.raises(RecipeError, match=message):
            recipe.load(str(tmp_path / f"{name}.yaml"))


def test_unknown_recipes_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean demo"):
        recipe.load("demmo")
    with pytest.raises(RecipeError, match="is a folder"):
        recipe.load(str(tmp_path))


def test_words_stay_words(tmp_path: Path) -> None:
    """YAML 1.1 would read these class names as False and True."""
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD + "target: {classes: [no, on, yes]}\n")
    assert recipe.load(str(path)).target.classes == ("no", "on", "yes")


def test_overrides_set_and_remove(tmp_path: Path) -> None:
    settings = recipe.load("demo", ["epsilon=4/255", "method.pgd.steps=5", "audit.seeds=2", "~beside"])
    assert settings.epsilon == 4 / 255
    assert settings.method.pgd.steps == 5
    assert settings.audit.seeds == 2
    assert settings.beside == ()
    assert recipe.load("random", ["method.name=em"]).method_name == "em"


@pytest.mark.parametrize("override", ["epsilon", "=3", "epsilon.x=3"])
def test_malformed_overrides(override: str) -> None:
    with pytest.raises(RecipeError):
        recipe.load("demo", [override])


def test_embedders_decide_the_noise_and_their_places_stay_private(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").touch()
    named, mine = recipe.load("opom"), recipe.load("opom", [f"embedders=[facenet, {tmp_path}/mine.onnx]"])
    assert named.hash != mine.hash
    assert recipe.public(mine)["embedders"] == ["facenet", "mine.onnx"]
    assert str(tmp_path) not in recipe.to_yaml(recipe.public(mine))


def test_a_step_must_fit_the_budget(tmp_path: Path) -> None:
    text = "method: {name: opom, step_size: 9/255}\nembedders: [dlib]\nrows: class-wise\ndata: {source: embedded}\n"
    assert problems(tmp_path, text) == [
        "mine.yaml:1:22 method.step_size: is larger than epsilon: the first step leaves the budget"
    ]


def test_the_hash_follows_what_decides_the_noise() -> None:
    base = recipe.load("demo").hash
    for override in (
        "epsilon=4/255",
        "seed=1",
        "method.pgd.steps=2",
        "rows=sample-wise",
        "surrogate.network=resnet18",
    ):
        assert recipe.load("demo", [override, "method.schedule.portion=1.0"]).hash != base
    assert recipe.load("demo", ["audit.seeds=5"]).hash == base


@pytest.mark.parametrize("name", [name for name in recipe_files.names() if name.startswith("audits/")])
def test_every_audit_is_told_from_noise_to_craft(name: str) -> None:
    with pytest.raises(RecipeError, match=r"describes an audit.*; noise to craft was expected") as caught:
        recipe.load(name)
    assert len(caught.value.problems) == 1
    source = recipe_files.read(name)
    assert recipe_check.plan_of(source, recipe_kinds.kind_of(source.content)).headline.startswith("audit ")


@pytest.mark.parametrize("load", [recipe_check.load_audit, recipe_check.load_matching])
def test_noise_to_craft_is_no_audit(load: Callable[[str], object]) -> None:
    with pytest.raises(
        RecipeError, match=r"^recipes/em\.yaml: describes noise to craft, for `unlearn craft`; an audit"
    ):
        load("em")


def test_a_recipe_of_few_keys_is_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seeds: 2\n")
    assert recipe_check.load_audit(str(path)).seeds == recipe_check.load_matching(str(path)).seeds == 2
    assert problems(tmp_path, "epsilonn: 8/255\n")[0].startswith("mine.yaml method: is missing")


def test_overrides_of_an_audit_are_checked_as_those_of_noise() -> None:
    def checked(override: str) -> AuditPlan:
        return recipe_check.plan_of(recipe_files.read("audits/small", [override]), recipe_kinds.AUDIT)

    assert checked("seeds=7").seeds == 7
    with pytest.raises(RecipeError, match="did you mean seeds"):
        checked("sedes=7")


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        (
            "nosuch",
            r"there are: aap, .*, audits/\.\.\., .*, em, .*, small/\.\.\., .*uc \(`unlearn ls recipes`",
        ),
        ("photos/nosuch", r"there are: photos/high, photos/low, photos/mid \(`unlearn ls recipes`"),
        ("nowhere/nosuch", r"there are: aap, aap-cifar100, "),
    ],
)
def test_an_unknown_recipe_is_told_from_those_beside_it(name: str, choices: str) -> None:
    with pytest.raises(UnknownName, match=choices):
        recipe.load(name)
