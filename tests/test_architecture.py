"""The shape of the house: imports go down only, names agree, files stay small, light commands stay light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from unlearn import recipe_files, registry

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "unlearn"
FLOORS = {
    0: ("errors", "registry", "quantities", "files", "images", "progress", "signals", "randomness", "pgd", "settings",
        "schema", "fitting", "environment", "interpolation", "promise", "control", "memory", "placing", "image_store",
        "decoding", "tensor_files", "streamed", "precision", "mixed_precision", "__init__"),
    1: ("datasets", "sources", "networks", "training", "augmentation", "kinds", "perturbation", "stretched",
        "pretrained", "efficientnet"),
    2: ("crafting", "faces"),
    3: ("methods", "defenses"),
    4: ("audit", "release", "photos"),
    5: ("recipe", "recipe_files", "recipe_check", "recipe_kinds", "recipe_schema", "run", "examination", "publish",
        "expectations", "protection", "people", "album", "album_timing", "photo_pairs", "photo_audit", "matching",
        "against", "cloaking_photos", "face_album", "foreign"),
    6: ("cli", "cli_audit", "cli_people", "cli_photos", "catalog", "doctor", "__main__"),
}  # fmt: skip
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
SINGLE_ROOMS = ("methods", "defenses", "sources")


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imports(path: Path) -> set[str]:
    """Modules of this package that a file imports, also inside functions and type checks."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("unlearn")}
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unlearn"):
            parent = (node.module or "").replace(".", "/")
            for alias in node.names:
                inside = (ROOT / parent / f"{alias.name}.py").exists() or (ROOT / parent / alias.name).is_dir()
                found.add(f"{node.module}.{alias.name}" if inside else str(node.module))
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    mine = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for module in imports(path):
        other = room_of(module)
        assert other in FLOOR_OF, f"{module} has no floor"
        assert FLOOR_OF[other] <= FLOOR_OF[mine], f"{path.name} on floor {FLOOR_OF[mine]} imports {module}"
        if FLOOR_OF[other] == FLOOR_OF[mine] >= 2 and mine != other and FLOOR_OF[mine] < 5:
            pytest.fail(f"rooms on one floor do not know each other: {mine} imports {module}")


@pytest.mark.parametrize("room", SINGLE_ROOMS)
def test_no_method_defense_or_source_imports_another(room: str) -> None:
    for name in registry.names(room):
        others = {m for m in imports(PACKAGE / room / f"{name}.py") if m.startswith(f"unlearn.{room}.")}
        assert not {m for m in others if not m.split(".")[2].startswith("_")}, name


def test_every_file_has_a_floor() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert rooms <= set(FLOOR_OF), rooms - set(FLOOR_OF)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = (node.end_lineno or 0) - node.lineno + 1
            assert body <= 40, f"{node.name} has {body} lines"


def test_one_name_for_method_recipe_and_test() -> None:
    for name in registry.names("methods"):
        assert name in recipe_files.names(), f"no recipe {name}"
        assert (ROOT / "tests" / "methods" / f"test_{name}.py").exists(), f"no test of {name}"


def test_every_module_says_what_it_is() -> None:
    for path in FILES:
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_public_functions_have_docstrings() -> None:
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_nothing_unsafe() -> None:
    pattern = re.compile(r"torch\.load\(|pickle\.load|yaml\.load\(|allow_pickle=True|except:|\beval\((?!\?)|shell=True")
    for path in FILES:
        hits = [line for line in path.read_text().splitlines() if pattern.search(line.replace(".eval(", ""))]
        assert not hits, (path, hits)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["ls"], ["ls", "methods"], ["show", "demo"]),
        *(["validate", name] for name in ("em", "demo", "audits/full", "audits/faces")),
    ],
)
def test_light_commands_do_not_import_torch(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom unlearn import cli\n"
        f"sys.argv = ['unlearn', *{arguments!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'torchvision', 'datasets', 'accelerate', 'pyarrow', 'numpy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
