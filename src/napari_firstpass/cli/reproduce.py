"""``firstpass fit --preset``: a published recipe, figures included."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli.evaluate import class_content, class_lines, number, said_of, wrapped
from napari_firstpass.cli.options import feature_cache, tell_trouble
from napari_firstpass.cli_progress import Reporter, peak_memory, tell_result
from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import OptionError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path

    from napari_firstpass.recipes.reproducing import ReproduceOptions, Reproduction

_DECIDED: dict[str, Any] = {
    **{key: getattr(SegmentConfig(), key) for key in ("method", "upsample", "projection")},
    **dict.fromkeys(("attribute", "classes", "bands", "resample")),
    "hints": [],
    "restart": False,
    "runtime": SegmentConfig().runtime,
}
"""Options that a preset decides, and what they are where nobody said anything."""

_OWN = ("steps", "oracle_selection", "crf", "flip", "test_side")
"""Options that only a preset has."""

_NAMES = "potsdam3-smooseg or potsdam3-primaps-em"


def add_to(parser: ArgumentParser) -> None:
    """Describe the options of published recipes."""
    add = parser.add_argument_group(
        "published recipes", "IMAGE is a folder of Potsdam"
    ).add_argument
    add("--preset", metavar="NAME", help=f"train, test and judge as published: {_NAMES}")
    add("--steps", type=int, help="shorten the training [as published]")
    oracle = "let labels choose the step, as papers do; it is said with the figures"
    add("--oracle-selection", action="store_true", default=None, help=oracle)
    add("--crf", action=BooleanOptionalAction, help="a dense CRF in the test [yes]")
    add("--flip", action=BooleanOptionalAction, help="average with the mirrored picture [yes]")
    add("--test-side", type=int, metavar="PIXELS", help="side of pictures in the test [320]")


def refuse_without_preset(options: Namespace) -> None:
    """Refuse what belongs to a preset where there is none."""
    _refuse(options, [key for key in _OWN if getattr(options, key) is not None], "with --preset")


def reproduce(options: Namespace) -> int:
    """Run a recipe, write its model, and print its figures."""
    from napari_firstpass.io.files import check_output
    from napari_firstpass.model_file import write_model
    from napari_firstpass.progress import guarded
    from napari_firstpass.recipes.presets import recipe_of
    from napari_firstpass.recipes.reproducing import reproduce_steps

    start = perf_counter()
    recipe = recipe_of(options.preset)
    folder = _folder(options)
    check_output(options.out, overwrite=options.overwrite)
    chosen = _options(options)
    steps = reproduce_steps(folder, options.backbone, recipe, chosen)
    with Reporter(options.preset) as reporter:
        found = reporter.drive(guarded(steps))
    write_model(options.out, found.model, overwrite=options.overwrite)
    tell_trouble(chosen.cache)
    content = _content(found, options, perf_counter() - start)
    tell_result(content, _lines(found, content), as_json=options.json)
    return DONE


def _folder(options: Namespace) -> Path:
    said = [key for key, usual in _DECIDED.items() if getattr(options, key) != usual]
    _refuse(options, said, "without --preset, which decides it")
    folders: list[Path] = options.images
    if len(folders) != 1:
        raise OptionError(
            expected="one folder of Potsdam images with --preset",
            found=f"{len(folders)} paths",
            remedy="give the folder that holds the patches or tiles",
        )
    return folders[0]


def _refuse(options: Namespace, said: list[str], only: str) -> None:
    if said:
        names = " and ".join("--" + key.replace("_", "-") for key in said)
        raise OptionError(
            expected=f"{names} only {only}",
            found=f"the preset {options.preset}" if options.preset else "no preset",
            remedy="leave out one or the other",
        )


def _options(options: Namespace) -> ReproduceOptions:
    from napari_firstpass.recipes.reproducing import ReproduceOptions

    return ReproduceOptions(
        steps=options.steps,
        seed=options.seed,
        device=options.device,
        test_side=options.test_side,
        flip=options.flip is not False,
        crf=options.crf is not False,
        oracle=bool(options.oracle_selection),
        cache=feature_cache(options, SegmentConfig(backbone=options.backbone)),
    )


def _content(found: Reproduction, options: Namespace, seconds: float) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    scores, names = found.judged.scores, _names()
    return {
        "model": str(options.out),
        **found.facts,
        "backbone": options.backbone,
        "seed": options.seed,
        **said_of(found.statement),
        "figures": scores.figures,
        "published": dict(zip(("accuracy", "mIoU"), found.published or (), strict=False)),
        "classes": [class_content(one, names) for one in scores.classes],
        "confusion": scores.confusion.tolist(),
        "names_of_clusters": {str(key): value for key, value in scores.names.items()},
        "seconds": round(seconds, 2),
        "peak_memory_mb": peak_memory(),
        "exit_code": DONE,
    }


def _names() -> dict[int, str]:
    from napari_firstpass.recipes.judging import POTSDAM3

    return dict(enumerate(POTSDAM3.names))


def _lines(found: Reproduction, content: dict[str, Any]) -> list[str]:
    """Return what a person reads."""
    recipe, memory = found.recipe, content["peak_memory_mb"]
    lines = [f"{content['model']}: {recipe.name}, after {recipe.paper}", ""]
    lines += wrapped(found.statement)
    published = content["published"]
    for name, value in content["figures"].items():
        beside = f"  (published: {published[name]:.3f})" if name in published else ""
        lines.append(f"  {name:<20} {number(value)}{beside}")
    lines += ["", *class_lines(found.judged.scores, _names()), ""]
    lines.append(f"  features    {content['features']}")
    most = f", {memory} MB at most" if memory else ""
    return [*lines, f"  took        {content['seconds']:.1f} s{most}"]
