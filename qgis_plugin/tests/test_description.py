"""What the plugin asks for is what the command line takes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from firstpass.area import Area, Bounds, area_under
from firstpass.errors import ToolError
from firstpass.tools import OUT, OUTPUTS, TOOLS, Kind, Parameter, Tool, tool_named
from napari_firstpass.cli import parser

ROOT = Path(__file__).parents[2]

SAID: dict[Kind, Any] = {
    Kind.RASTER: "-ä b.tif", Kind.RASTERS: ["-ä.tif", "b.tif"], Kind.FILE: "-f", Kind.TEXT: "-t",
    Kind.INTEGER: 77, Kind.NUMBER: 0.5, Kind.SWITCH: True, Kind.LINES: ["a=1", "b=2"],
    Kind.NEW_RASTER: "-out.tif", Kind.NEW_MODEL: "m.firstpass", Kind.NEW_FOLDER: "new",
    Kind.NEW_REPORT: "r.json",
}  # fmt: skip
"""A value of each kind that is nobody's default; hyphens must not turn them into options."""

NUMBERS = {"CLASSES": "12", "RESAMPLE": "2.5"}
"""Texts that the command line reads as numbers."""


def said(one: Parameter) -> Any:  # noqa: ANN401 - what a parameter may hold
    if one.kind in (Kind.CHOICE, Kind.CHOICES):
        last = (one.option["choices"] or one.option["known"])[-1]
        return [last] if one.kind is Kind.CHOICES else last
    is_text = one.kind is Kind.TEXT and one.name in NUMBERS
    return NUMBERS[one.name] if is_text else SAID[one.kind]


def dest_of(tool: Tool, name: str) -> str:
    special = {"IMAGE": "images" if tool.command in ("segment", "fit") else "image"}
    special["WITH"] = "refiner"
    return special.get(name, name.lower())


def test_the_description_is_that_of_the_command_line() -> None:
    place = ROOT / ".ci" / "qgis_parameters.py"
    spec = importlib.util.spec_from_file_location("qgis_parameters", place)
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    found = maker.PLACE.read_text(encoding="utf-8")
    assert found == maker.text(), f"run python {place.relative_to(ROOT)}"


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_command_line_reads_what_was_said_and_nothing_else(tool: Tool) -> None:
    values = {one.name: said(one) for one in tool.parameters}
    read = vars(parser().parse_args(tool.arguments(values)))
    for one in tool.parameters:
        if one.kind is Kind.NEW_REPORT:
            continue
        found = read[dest_of(tool, one.name)]
        told = found if isinstance(found, list) else [found]
        expected = values[one.name] if isinstance(values[one.name], list) else [values[one.name]]
        # A pair such as CLASS=CODE is read as two.
        shown = ["=".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in told]
        assert [v.removeprefix("./") for v in shown] == [str(v) for v in expected], one.name


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_what_was_not_said_is_as_on_the_command_line(tool: Tool) -> None:
    needed = {one.name: said(one) for one in tool.parameters if one.is_required}
    shown = {one.name: one.default for one in tool.parameters if one.default is not None}
    assert tool.arguments({**shown, **needed}) == tool.arguments(needed)
    read = vars(parser().parse_args(tool.arguments(needed)))
    for one in tool.parameters:
        if one.name not in needed and one.option["default"] is not None:
            found = read[dest_of(tool, one.name)]
            as_shown = [str(v) for v in found] if isinstance(found, list) else found
            assert as_shown == one.option["default"], one.name


def test_every_tool_asks_for_its_output_last_and_has_help() -> None:
    for tool in TOOLS:
        assert [one.name for one in tool.parameters if one.kind in OUTPUTS] == [OUT]
        assert tool.parameters[-1].name == OUT
        lacking = [one.name for one in tool.parameters if not one.help and one.name != "DEVICE"]
        assert lacking == []
    segment = {one.name: one for one in tool_named("segment").parameters}
    assert segment["METHOD"].default == "primaps"
    assert segment["OVERLAP"].title == "Overlap: context in pixels"


IMAGE = Bounds(500_000, 5_000_000, 500_100, 5_000_050)
"""Of 50 × 100 pixels of one metre."""


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (IMAGE, Area(0, 0, 50, 100)),
        (Bounds(500_010, 5_000_020, 500_030, 5_000_040), Area(10, 10, 20, 20)),
        (Bounds(500_010.2, 5_000_020.2, 500_029.2, 5_000_039.2), Area(10, 10, 20, 20)),
        (Bounds(499_000, 5_000_049.5, 500_000.5, 6_000_000), Area(0, 0, 1, 1)),
        # Borders of pixels as another CRS, or a mouse, gives them.
        (Bounds(500_009.9999, 5_000_019.9999, 500_030.0001, 5_000_040.0001), Area(10, 10, 20, 20)),
    ],
)
def test_a_rectangle_becomes_the_pixels_that_it_touches(wanted: Bounds, expected: Area) -> None:
    assert area_under(wanted, IMAGE, 50, 100) == expected


def test_a_rectangle_beside_the_image_is_one_sentence() -> None:
    with pytest.raises(ToolError, match="a rectangle over the image, found one beside it; draw"):
        area_under(Bounds(0, 0, 10, 10), IMAGE, 50, 100)
