"""What every source has in common: one function of its name, a schema, light imports, a first line."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest
from pydantic import ConfigDict, TypeAdapter, create_model

from unlearn import registry
from unlearn.errors import DataError

NAMES = registry.names("sources")
ROOT = Path(__file__).parents[2]


def test_all_are_there() -> None:
    assert {
        "embedded",
        "parquet",
        "saved",
        "hub",
        "imagefolder",
        "npz",
        "cifar10",
        "cifar100",
        "svhn",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_one_public_function_of_the_modules_name(name: str) -> None:
    function = registry.load("sources", name)
    module = sys.modules[f"unlearn.sources.{name}"]
    public = [
        key
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and key[0] != "_"
    ]
    assert public == [name] == [function.__name__]
    assert "Raises:" in (inspect.getdoc(function) or "")


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_a_schema(name: str) -> None:
    function = registry.load("sources", name)
    first, *options = inspect.signature(function).parameters.values()
    hints = get_type_hints(function, include_extras=True)
    assert first.name == "split"
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    fields = {o.name: (hints[o.name], ... if o.default is o.empty else o.default) for o in options}
    model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)  # type: ignore[call-overload]
    assert set(TypeAdapter(model).json_schema()["properties"]) == set(fields)


@pytest.mark.parametrize("name", NAMES)
def test_options_do_not_hide_behind_fields_that_every_source_has(name: str) -> None:
    from unlearn.recipe import DataSettings

    taken = {"source", "split", "fit"} | set(DataSettings.__dataclass_fields__)
    assert not taken & set(list(inspect.signature(registry.load("sources", name)).parameters)[1:])


@pytest.mark.parametrize("name", NAMES)
def test_first_line_is_one_sentence(name: str) -> None:
    line = registry.first_line("sources", name)
    assert 20 < len(line) <= 107
    assert line.endswith(".")


def test_imports_are_light() -> None:
    code = (
        "import sys\nfrom unlearn import registry\n"
        "for name in registry.names('sources'): registry.load('sources', name)\n"
        "sys.exit(str(sorted({'torch', 'torchvision', 'datasets', 'pyarrow'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("embedded", "hub")])
def test_missing_path_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such (folder|file)$"):
        registry.load("sources", name)("train", path=str(tmp_path / "nowhere"))
