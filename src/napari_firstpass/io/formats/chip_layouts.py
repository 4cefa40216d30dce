"""Where chips go, and what loads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_firstpass.errors import GridMismatchError, OptionError, TaxonomyError
from napari_firstpass.exporting.blocks import SPLITS
from napari_firstpass.io.files import writing
from napari_firstpass.io.formats.chip_files import PNG, TIF
from napari_firstpass.io.formats.chip_regions import LISTING, CocoLayout, YoloLayout
from napari_firstpass.io.formats.chip_scripts import mmseg_config, torchgeo_module
from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.io.formats.chip_manifest import Manifest
    from napari_firstpass.progress import Steps

_LEFT_OUT = 255
"""What mmsegmentation ignores."""


class Layout(Protocol):
    """A way to arrange chips in folders."""

    @property
    def form(self) -> str:
        """What it is usually read as."""
        ...

    def check(self, job: ExportJob) -> None:
        """Refuse what its readers cannot take; says who they are."""
        ...

    def places(self, split: str) -> tuple[str, str]:
        """Return the folders of images and masks of a split."""
        ...

    def finish(self, folder: Path, job: ExportJob, manifest: Manifest) -> Steps[None]:
        """Write what is beside the chips."""
        ...


@dataclass(frozen=True)
class PlainLayout:
    """``train/images``, ``train/masks`` and so on."""

    form: str = TIF

    def check(self, job: ExportJob) -> None:
        """Refuse nothing."""

    def places(self, split: str) -> tuple[str, str]:
        """Return the folders of images and masks of a split."""
        return f"{split}/images", f"{split}/masks"

    def finish(self, folder: Path, _: ExportJob, manifest: Manifest) -> Steps[None]:
        """Write the manifest."""
        yield Progress(0, 1, LISTING)
        manifest.write(folder)


@dataclass(frozen=True)
class TorchgeoLayout(PlainLayout):
    """The same, with a Python module of two `RasterDataset`."""

    def check(self, job: ExportJob) -> None:
        """Refuse images without a CRS: pairs are found by their place; and colours."""
        _require_codes(job, "TorchGeo")
        if job.grid.crs is None:
            raise GridMismatchError(
                expected="an image with a CRS, for chips that TorchGeo reads",
                found=f"no CRS in {job.image_name}",
                remedy="choose another layout, such as plain, or give the image its CRS",
            )

    def finish(self, folder: Path, job: ExportJob, manifest: Manifest) -> Steps[None]:
        """Write the manifest and the module."""
        yield Progress(0, 1, LISTING)
        manifest.write(folder)
        _write(folder / "dataset.py", torchgeo_module(job.coding))


@dataclass(frozen=True)
class MmsegLayout:
    """``img_dir/train``, ``ann_dir/train`` and so on, with a configuration."""

    form: str = PNG

    def check(self, job: ExportJob) -> None:
        """Refuse codes with gaps, and what it could not ignore."""
        _require_codes(job, "mmsegmentation")
        codes = [entry.code for entry in job.coding.classes]
        first = min(codes, default=0)
        ignored = (0, _LEFT_OUT) if first == 1 else (_LEFT_OUT,)
        if codes != list(range(first, first + len(codes))) or first > 1:
            raise TaxonomyError(
                expected="codes from 0 or 1 without gaps, for mmsegmentation",
                found=", ".join(map(str, codes[:8])),
                remedy="number them anew (--renumber)",
            )
        if job.coding.ignore not in ignored or job.coding.keep_unlabelled:
            raise TaxonomyError(
                expected=f"pixels ignored as {_LEFT_OUT}, 254 classes at most, for mmsegmentation",
                found=f"{job.coding.ignore} for {len(codes)} classes",
                remedy="leave out --ignore and --keep-unlabelled, or put classes together",
            )

    def places(self, split: str) -> tuple[str, str]:
        """Return the folders of images and masks of a split."""
        return f"img_dir/{split}", f"ann_dir/{split}"

    def finish(self, folder: Path, job: ExportJob, manifest: Manifest) -> Steps[None]:
        """Write the manifest and the configuration."""
        yield Progress(0, 1, LISTING)
        manifest.write(folder)
        endings = {chip.image.rpartition(".")[2] for _, _, chip in manifest.chips} or {self.form}
        _write(folder / "dataset.py", mmseg_config(job.coding, endings.pop()))


@dataclass(frozen=True)
class HuggingfaceLayout:
    """Folders as the builder ``imagefolder`` of Hugging Face's ``datasets`` reads them."""

    form: str = PNG

    def check(self, job: ExportJob) -> None:
        """Refuse nothing."""

    def places(self, split: str) -> tuple[str, str]:
        """Return the folders of images and masks of a split."""
        top = _folder_of(split)
        return f"{top}/images", f"{top}/masks"

    def finish(self, folder: Path, _: ExportJob, manifest: Manifest) -> Steps[None]:
        """Write the manifest, and for each split which mask belongs to which image."""
        yield Progress(0, 1, LISTING)
        manifest.write(folder)
        for split in SPLITS:
            top = _folder_of(split)
            lines = [
                json.dumps(
                    {
                        "file_name": files.image.removeprefix(f"{top}/"),
                        "mask_file_name": files.mask.removeprefix(f"{top}/"),
                    }
                )
                for chip, _, files in manifest.chips
                if chip.split == split
            ]
            if lines:
                _write(folder / top / "metadata.jsonl", "\n".join(lines) + "\n")


def _folder_of(split: str) -> str:
    return "validation" if split == "val" else split


def _require_codes(job: ExportJob, reader: str) -> None:
    if job.coding.as_colors:
        raise OptionError(
            expected=f"codes, for chips that {reader} reads",
            found=f"the preset {job.rules.preset}, which writes colours",
            remedy="choose the layout plain, or another preset",
        )


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.write_bytes(text.encode())


LAYOUTS: dict[str, Layout] = {
    "plain": PlainLayout(),
    "mmseg": MmsegLayout(),
    "torchgeo": TorchgeoLayout(),
    "huggingface": HuggingfaceLayout(),
    "coco": CocoLayout(),
    "yolo": YoloLayout(),
}
