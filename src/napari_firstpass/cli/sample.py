"""``firstpass sample``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.cli.codes import DONE

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("sample", help="write the built-in scene")
    parser.set_defaults(command=_sample)
    add = parser.add_argument
    add("--out", type=Path, default=Path("town.tif"), help="the image [%(default)s]")
    add("--truth", type=Path, help="also write the true classes")
    add("--size", type=int, default=1024, help="side in pixels [%(default)s]")
    add("--seed", type=int, default=0, help="of the town [%(default)s]")
    add("--overwrite", action="store_true", help="replace existing output")


def _sample(options: Namespace) -> int:
    from napari_firstpass.io.files import check_output
    from napari_firstpass.io.label_file import write_segmentation
    from napari_firstpass.io.raster_file import write_raster
    from napari_firstpass.scenes import make_scene

    wanted = [path for path in (options.out, options.truth) if path is not None]
    for path in wanted:
        check_output(path, overwrite=options.overwrite)
    scene = make_scene(options.size, options.size, seed=options.seed)
    print(write_raster(options.out, scene.raster, overwrite=options.overwrite))
    if options.truth is not None:
        print(write_segmentation(options.truth, scene.truth, overwrite=options.overwrite))
    return DONE
