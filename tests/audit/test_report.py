"""The report's files: complete, the same for the same results, closed to the network and to hostile names."""

import base64
import csv
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from unlearn import images
from unlearn.audit import report, report_pictures, summary
from unlearn.audit.report_style import SCRIPT
from unlearn.errors import OutputError

HOSTILE = '<script>alert("x")</script><img src=http://evil.example/a.png onerror=alert(1)>'
ROOT = Path(__file__).parents[2]
NAMES = ("results.json", "results.csv", "sweep.csv", "report.md", "report.html")


def run(train_on: str, accuracy: float, seed: int, defense: str = "none") -> dict[str, Any]:
    curve = {"train": [0.5, 0.9, 0.99], "test": [accuracy / 2, accuracy * 0.9, accuracy]}
    place = {"train_on": train_on, "defense": defense, "victim": "resnet18", "seed": seed}
    figures = {"clean_test_accuracy": accuracy, "peak_clean_test_accuracy": accuracy, "train_accuracy": 0.99}
    return {**place, **figures, "seconds": 1.5, "curve": curve}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of unchanged results, for tests that only read it."""
    return written(tmp_path_factory.mktemp("page"), make_results())


def make_results() -> dict[str, Any]:
    rows = [run(name, 0.7 - 0.01 * s, s) for name in ("clean", "random") for s in (0, 1)]
    rows += [run("protected", 0.2 + 0.01 * s, s) for s in (0, 1)]
    rows += [run("clean", 0.68, 0, "jpeg-75"), run("protected", 0.6, 0, "jpeg-75")]
    parts = {"protected_classes_accuracy": 0.123, "other_classes_accuracy": 0.687}
    sweep = [{"kind": "portion", "value": 0.5, **run(name, 0.55, 0)} for name in ("protected", "clean-part")]
    sweep.append({"kind": "classes", "value": ["cat", HOSTILE], **run("protected", 0.55, 0), **parts})
    quality = {"max_levels": 8, "psnr": 36.1, "ssim": 0.97, "worst_ssim": 0.93, "images": 500}
    return {
        "version": 1, "name": "demo", "method": "em", "dataset": "embedded", "epsilon": 8 / 255,
        "chance": 0.1, "rows": rows, "sweep": sweep, "summary": summary.summarize(rows, 0.1),
        "quality": {"protected": quality},
        "crafting": {"protected": {"rounds": 9, "seconds": 31.2, "error": 0.004, "stopped": "error"}},
        "settings": {"recipe": {"pgd": {"steps": 20}}}, "versions": {"unlearn": "0.1.0", "torch": "2.6.0"},
        "machine": {"device": "cpu", "threads": 2}, "data_fingerprint": "3f2a",
        "not_run": ["diffusion purification"],
    }  # fmt: skip


def pictures(name: str = HOSTILE) -> list[report.Example]:
    clean = np.full((3, 8, 8), 100, np.uint8)
    return [report.Example(name, clean, clean + np.uint8(3))]


def written(out: Path, results: dict[str, Any], name: str = "report.html") -> str:
    report.write(out, results, pictures())
    return (out / name).read_text()


class Elements(HTMLParser):
    """Tags with their attributes, as a browser would see them."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {key: value or "" for key, value in attrs}))


results = pytest.fixture(make_results, name="results")


def test_all_files_are_written_and_results_as_they_were(tmp_path: Path, results: dict[str, Any]) -> None:
    report.write(tmp_path / "new", results)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(NAMES)
    assert json.loads((tmp_path / "new" / "results.json").read_text()) == results


def test_runs_without_a_figure_become_null_and_are_named(tmp_path: Path, results: dict[str, Any]) -> None:
    results["rows"][7]["clean_test_accuracy"] = math.nan
    assert "1 run without an accuracy, shown as not run: protected, jpeg-75" in written(tmp_path, results)
    text = (tmp_path / "results.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["rows"][7]["clean_test_accuracy"] is None


def test_equal_results_give_equal_bytes_in_any_order(tmp_path: Path, results: dict[str, Any]) -> None:
    report.write(tmp_path / "a", results, pictures())
    backwards = dict(reversed(results.items()))
    backwards["versions"] = dict(reversed(results["versions"].items()))
    report.write(tmp_path / "b", backwards, pictures())
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_the_page_is_rebuilt_from_results_json(tmp_path: Path, results: dict[str, Any]) -> None:
    report.write(tmp_path / "a", results)
    report.write(tmp_path / "b", json.loads((tmp_path / "a" / "results.json").read_text()))
    assert (tmp_path / "a" / "report.html").read_bytes() == (tmp_path / "b" / "report.html").read_bytes()


def test_plots_do_not_follow_the_users_matplotlibrc(tmp_path: Path, results: dict[str, Any]) -> None:
    before = written(tmp_path / "a", results)
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.grid": True, "text.usetex": True}):
        assert written(tmp_path / "b", results) == before


def test_csv_has_one_row_a_run(tmp_path: Path, results: dict[str, Any]) -> None:
    rows = list(csv.DictReader(written(tmp_path, results, "results.csv").splitlines()))
    assert len(rows) == len(results["rows"])
    assert (rows[0]["train_on"], float(rows[0]["clean_test_accuracy"])) == ("clean", 0.7)
    assert "curve" not in rows[0]


def test_sweep_has_a_file_of_its_own_and_none_is_left_over(tmp_path: Path, results: dict[str, Any]) -> None:
    rows = list(csv.DictReader(written(tmp_path, results, "sweep.csv").splitlines()))
    assert json.loads(rows[2]["value"]) == ["cat", HOSTILE]
    del results["sweep"]
    report.write(tmp_path, results)
    assert not (tmp_path / "sweep.csv").exists()


def test_nothing_points_outside_the_page(tmp_path: Path, results: dict[str, Any]) -> None:
    results["name"] = results["not_run"][0] = HOSTILE
    text = written(tmp_path, results)
    kinds = ("src", "href", "xlink:href", "srcset", "poster", "action", "data", "background")
    for tag, attributes in Elements(text).found:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "audio", "video", "source")
        for value in (attributes[key] for key in kinds if key in attributes):
            assert value.startswith(("data:image/png;base64,", "#")), (tag, value[:80])
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)]*)", text))
    assert "default-src 'none'" in text


def test_hostile_names_stay_text(tmp_path: Path, results: dict[str, Any]) -> None:
    results |= {"name": HOSTILE, "dataset": HOSTILE, "not_run": [HOSTILE], "settings": {HOSTILE: HOSTILE}}
    for row in results["rows"][6:]:
        row["defense"] = HOSTILE
    results["quality"][f"protected:{HOSTILE}"] = results["quality"]["protected"]
    found = Elements(written(tmp_path, results)).found
    assert sum(tag == "script" for tag, _ in found) == 1
    assert not [attributes for _, attributes in found if any(key.startswith("on") for key in attributes)]
    assert sum(tag == "img" for tag, _ in found) == 3
    assert "&lt;script&gt;" in (tmp_path / "report.html").read_text()


def test_hostile_names_stay_text_in_markdown(tmp_path: Path, results: dict[str, Any]) -> None:
    results["not_run"] = [HOSTILE, "![x](http://evil.example)", "a | b\n# c"]
    text = written(tmp_path, results, "report.md")
    assert not re.search(r"<script|<img|!\[|://", text)
    assert "a \\| b # c" in text


def test_names_that_utf8_refuses_are_written(tmp_path: Path, results: dict[str, Any]) -> None:
    results["sweep"][2]["value"] = ["caf\udce9"]
    report.write(tmp_path, results, pictures("caf\udce9"))
    assert "\\udce9" in (tmp_path / "report.html").read_text()


def test_what_was_not_run_shows_as_a_hole(tmp_path: Path, results: dict[str, Any]) -> None:
    line = next(x for x in written(tmp_path, results, "report.md").splitlines() if x.startswith("| jpeg-75"))
    assert [cell.strip() for cell in line.split("|")][4] == "not run"
    assert '<td class="hole">not run</td>' in (tmp_path / "report.html").read_text()


def test_no_accuracy_stands_without_its_seeds(tmp_path: Path, results: dict[str, Any]) -> None:
    lines = written(tmp_path, results, "report.md").splitlines()
    tables = [line for line in lines if line.startswith("|") and "---" not in line]
    cells = [cell for line in tables for cell in line.split("|") if re.search(r"\d\.\d %", cell)]
    assert len(cells) > 10
    assert all(re.search(r"\d seeds?\)", cell) for cell in cells), cells


def test_the_page_keeps_its_order(page: str) -> None:
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Accuracy with controls", "Accuracy by epoch", "Partial protection", "Protecting some classes",
        "Image quality", "Before and after", "Crafting", "Settings", "Provenance", "Not tested",
    ]  # fmt: skip
    assert page.index('class="verdict"') < page.index("<h2>")
    assert all(piece in page for piece in ("12.3\u00a0%", "68.7\u00a0%", "36.1", "recipe.pgd.steps", "3f2a"))


def test_bare_results_make_a_page(tmp_path: Path, results: dict[str, Any]) -> None:
    bare = {key: results[key] for key in ("version", "name", "method", "dataset", "epsilon", "chance", "summary")}
    for rows in ([], [{k: v for k, v in row.items() if k != "curve"} for row in results["rows"]]):
        text = written(tmp_path, {**bare, "rows": rows})
        assert "Accuracy by epoch" not in text
        assert "does not record what it left out" in text


def test_dark_mode_paper_and_a_short_script(page: str) -> None:
    assert len(SCRIPT.splitlines()) <= 60
    assert all(rule in page for rule in ("prefers-color-scheme: dark", "@media print"))
    plots = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert all(f"var({name})" in plots for name in ("--c0", "--ink"))
    assert not re.search(r"(stroke|fill): #", plots), "a color of its own would not follow dark mode"


def test_ids_are_not_repeated(page: str) -> None:
    ids = [attributes["id"] for _, attributes in Elements(page).found if "id" in attributes]
    assert 0 < len(ids) == len(set(ids))


def test_one_plot_a_defense_with_chance_dashed(page: str) -> None:
    epochs = re.findall(r'<svg[^>]*aria-label="Accuracy by epoch.*?</svg>', page, re.DOTALL)
    assert len(epochs) == 2
    for plot in epochs:
        assert re.search(r'style="[^"]*stroke-dasharray[^"]*var\(--soft\)', plot)


def test_difference_is_gray_where_nothing_changed() -> None:
    protected = np.array([[[100, 103], [97, 200]]], np.uint8)
    shown = report_pictures.difference(report.Example("a", np.full((1, 2, 2), 100, np.uint8), protected))
    assert shown.tolist() == [[[128, 158], [98, 255]]]


def test_examples_hold_the_exact_pixels(page: str) -> None:
    files = [base64.b64decode(a["src"].partition(",")[2]) for tag, a in Elements(page).found if tag == "img"]
    decoded = [images.to_array(images.decode(file, "page")) for file in files]
    example = pictures()[0]
    assert np.array_equal(decoded[:2], [example.clean, example.protected])


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path, results: dict[str, Any]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        report.write(tmp_path / "file" / "out", results)


def test_importing_the_report_imports_no_matplotlib_nor_scipy() -> None:
    code = "import sys; from unlearn.audit import report; print({'matplotlib', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr
