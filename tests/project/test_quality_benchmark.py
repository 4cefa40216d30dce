"""The quality benchmark on made-up images: what must hold whatever the methods are worth."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import pytest
from PIL import Image

# A minute on two idle cores: some forty processes. On a busy machine it may take several.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
OURS = {
    "firstpass kmeans on embedded",
    "firstpass diffseg on embedded",
    "firstpass primaps on embedded",
    "firstpass kmeans on texture",
    "firstpass primaps on texture",
}
TRAINED = {"firstpass primaps-em on embedded", "firstpass smooseg on embedded"}
GROUPING = {"k-means on Lab", "SLIC + k-means on Lab", "DFC network", "blank"}
REGIONS_ONLY = {
    *("Felzenszwalb 500", "Felzenszwalb 100"),
    *("firstpass kmeans, dynaguide", "firstpass kmeans, dynaguide:photographs"),
}
CLASSES_ONLY = {"Felzenszwalb + k-means on Lab", "firstpass primaps, dynaguide"}
COST = {"seconds_per_megapixel", "peak_mb"}
REGION_FIGURES = {
    *("covering", "rand_index", "voi", "boundary_f"),
    *("dfc_all", "dfc_fine", "dfc_coarse", "segments"),
}
TOWN_FIGURES = {
    *("accuracy_set_7", "miou_set_7", "accuracy_many_to_one_7", "miou_many_to_one_7"),
    *("saving", "saving_low", "saving_high", "saving_negative", "f1_town", "iou_town"),
}
NO_SHARE = {*COST, "voi", "segments", "saving", "saving_low"}
PAGE = """# Results

Above stays.

<!-- quality: begin -->
old words
<!-- quality: end -->

Below stays.
"""


@dataclass(frozen=True)
class Run:
    """What a run of the benchmark left behind."""

    out: Path
    done: subprocess.CompletedProcess[str]

    @property
    def page(self) -> str:
        return (self.out / "results.md").read_text(encoding="utf-8")

    @property
    def lines(self) -> list[dict[str, str]]:
        path = self.out / "results" / "quality.csv"
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def values(self) -> dict[tuple[str, str, str, str], float]:
        """Figures by row, data set, seed and name."""
        return {
            (line["row"], line["dataset"], line["seed"], line["figure"]): float(line["value"])
            for line in self.lines
        }


def run(out: Path, *arguments: str, **environment: str) -> Run:
    """Run the command as a person would."""
    done = subprocess.run(
        [sys.executable, "benchmarks/quality.py", "--quick", "--out", str(out), *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=540,
        env=os.environ | environment,
    )
    return Run(out, done)


def table_of(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, its own heading first."""
    _, _, rest = page.partition(f"### {heading}\n")
    lines = [line for line in rest.partition("\n### ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every row once."""
    out = tmp_path_factory.mktemp("quality")
    (out / "results.md").write_text(PAGE, encoding="utf-8")
    return run(out, "--seeds", "0")


def test_a_run_without_failures_ends_with_code_0(quick: Run) -> None:
    assert quick.done.returncode == 0, quick.done.stdout + quick.done.stderr


@pytest.mark.parametrize(
    ("data", "rows", "figures"),
    [
        ("town", OURS | TRAINED | GROUPING | CLASSES_ONLY, TOWN_FIGURES | COST),
        ("mosaic", OURS | GROUPING | REGIONS_ONLY, REGION_FIGURES | COST),
    ],
)
def test_every_row_has_every_figure(
    quick: Run, data: str, rows: set[str], figures: set[str]
) -> None:
    found = {(row, figure) for row, name, _, figure in quick.values if name == data}
    assert found >= {(row, figure) for row in rows for figure in figures}


def test_shares_lie_between_0_and_1(quick: Run) -> None:
    shares = {key: value for key, value in quick.values.items() if key[3] not in NO_SHARE}
    assert {key: value for key, value in shares.items() if not 0 <= value <= 1} == {}


def test_naming_many_to_one_is_never_less_right_than_one_to_one(quick: Run) -> None:
    for (row, data, seed, figure), value in quick.values.items():
        if figure == "accuracy_set_7":
            assert quick.values[row, data, seed, "accuracy_many_to_one_7"] >= value


def test_a_blank_image_is_one_piece_without_edges(quick: Run) -> None:
    assert quick.values["blank", "mosaic", "0", "segments"] == 1
    assert quick.values["blank", "mosaic", "0", "boundary_f"] == 0


def test_every_figure_says_its_protocol_and_split_and_what_labels_were_used_for(
    quick: Run,
) -> None:
    needed = ("protocol", "labels", "split", "ignored")
    assert [line for line in quick.lines if not all(line[name] for name in needed)] == []


@pytest.mark.parametrize("data", ["town", "mosaic"])
def test_the_page_shows_the_means_of_the_csv_file(quick: Run, data: str) -> None:
    _, _, *rows = table_of(quick.page, data)
    assert rows
    for name, *cells in rows:
        values = [value for key, value in quick.values.items() if key[:2] == (name, data)]
        decimals = [len(cell.partition(".")[2]) for cell in cells]
        assert cells == [f"{v:.{d}f}" for v, d in zip(values, decimals, strict=True)]


def test_only_its_section_of_the_page_changes(quick: Run) -> None:
    before, _, rest = quick.page.partition("<!-- quality: begin -->")
    _, _, after = rest.partition("<!-- quality: end -->")
    assert before + after == PAGE.replace(
        "<!-- quality: begin -->\nold words\n<!-- quality: end -->", ""
    )
    assert "old words" not in quick.page


def test_the_picture_is_small_and_the_page_shows_it(quick: Run) -> None:
    path = quick.out / "images" / "quality.png"
    assert path.stat().st_size <= 400_000
    with Image.open(path) as picture:
        assert min(picture.size) > 300
    assert "(images/quality.png)" in quick.page


def test_the_same_seed_gives_the_same_figures_and_several_seeds_their_spread(
    quick: Run, tmp_path: Path
) -> None:
    # The row that draws most at random: weights, windows, and a descent that magnifies them.
    arguments = ("--datasets", "mosaic", "--rows", "DFC network")
    again = run(tmp_path, "--seeds", "0", "1", *arguments)
    first = {key: value for key, value in again.values.items() if key[2] == "0"}
    same = {key: value for key, value in first.items() if key[3] not in COST}
    assert same == {key: quick.values[key] for key in same}
    head, _, *body = table_of(again.page, "mosaic")
    column = head.index("covering")
    for row in body:
        middle, spread = (float(part) for part in re.split(" ± ", row[column]))
        values = [again.values[row[0], "mosaic", seed, "covering"] for seed in "01"]
        assert middle == pytest.approx(mean(values), abs=6e-4)
        assert spread == pytest.approx(abs(values[0] - values[1]) / 2**0.5, abs=6e-4)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a method that another package announces, and that cannot be imported."""
    folder = tmp_path_factory.mktemp("faulty")
    announced = folder / "broken-1.0.dist-info"
    announced.mkdir()
    (announced / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    point = "[napari_firstpass.segmenters]\nbroken = broken:Broken\n"
    (announced / "entry_points.txt").write_text(point)
    (folder / "broken.py").write_text("raise RuntimeError('out of order')\n")
    rows = ("firstpass broken on embedded", "blank")
    arguments = ("--seeds", "0", "--datasets", "loveda", "mosaic", "--rows", *rows)
    return run(folder / "out", *arguments, PYTHONPATH=str(folder), FIRSTPASS_DATA=str(folder))


def test_a_row_that_fails_is_reported_and_the_others_are_measured(faulty: Run) -> None:
    assert faulty.done.returncode == 1
    cells = {name: set(rest) for name, *rest in table_of(faulty.page, "mosaic")[2:]}
    assert cells["firstpass broken on embedded"] == {"failed"}
    assert "failed" not in cells["blank"]
    assert "seed 0: RuntimeError: out of order" in faulty.page


def test_a_missing_data_set_is_skipped_and_the_page_says_so(faulty: Run) -> None:
    assert "### loveda\n\n**Skipped:** the folder `loveda` is missing." in faulty.page
    assert "loveda" not in {line["dataset"] for line in faulty.lines}


def test_an_interrupted_run_goes_on_where_it_was(quick: Run, tmp_path: Path) -> None:
    (work,) = quick.out.glob("quality-*")
    rows = ("--seeds", "0", "--rows", "blank", "DFC network")
    went_on = run(tmp_path, "--continue", str(work), *rows)
    assert went_on.values == {key: quick.values[key] for key in went_on.values}
    assert ": done" not in went_on.done.stdout
