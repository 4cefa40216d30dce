"""What notebooks and the command line call to bring labels of other tools into our form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_firstpass.errors import OptionError
from napari_firstpass.exporting.presets import preset_named
from napari_firstpass.grid import Window
from napari_firstpass.image_work import file_sha256
from napari_firstpass.io.foreign_labels import ForeignLabels
from napari_firstpass.io.label_file import LabelFile
from napari_firstpass.io.label_source import LabelSource
from napari_firstpass.progress import Progress, Span, guarded, ignore, relay, run

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from napari_firstpass.progress import Steps
    from napari_firstpass.taxonomy import Taxonomy

_ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRules:
    """What colours and numbers of labels mean.

    Attributes
    ----------
    taxonomy : Taxonomy or None
        Classes with their colours and ids; None for those that the file itself names.
    preset : str or None
        A list of classes with fixed codes (`exporting.presets.PRESETS`), instead of a taxonomy.
    by_code : bool
        Whether numbers are the export codes of the taxonomy, rather than ids.
    ignored : tuple of int
        Numbers that say nothing, besides the file's nodata value.
    keep_unknown : bool
        Whether pixels that belong to no class become unlabelled, rather than being refused.
    """

    taxonomy: Taxonomy | None = None
    preset: str | None = None
    by_code: bool = False
    ignored: tuple[int, ...] = ()
    keep_unknown: bool = False

    def __post_init__(self) -> None:
        if self.preset is not None and self.taxonomy is not None:
            raise OptionError(
                expected="a taxonomy or a preset", found="both", remedy="leave one out"
            )
        tells = self.by_code or self.ignored or self.keep_unknown
        if tells and self.preset is None and self.taxonomy is None:
            raise OptionError(
                expected="a taxonomy or a preset to say what numbers mean",
                found="neither",
                remedy="give one",
            )

    def source(self, path: str | os.PathLike[str]) -> ForeignLabels | LabelSource:
        """Return a file of labels that is read as these say; not opened yet."""
        if self.preset is not None:
            preset = preset_named(self.preset)
            ignored = (preset.ignore, *self.ignored)
            return ForeignLabels(path, preset.classes, by_code=True, ignored=ignored)
        if self.taxonomy is not None:
            return ForeignLabels(path, self.taxonomy, by_code=self.by_code, ignored=self.ignored)
        return LabelSource(path)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was read, and written.

    Attributes
    ----------
    path : Path
        The label file.
    taxonomy : Taxonomy
        Its classes.
    counts : mapping of int to int
        Pixels of each id that occurs.
    unknown : int
        Pixels that belong to no class and became unlabelled.
    """

    path: Path
    taxonomy: Taxonomy
    counts: Mapping[int, int]
    unknown: int


OWN_NAMES = ImportRules()


def import_file(
    labels: str | os.PathLike[str],
    out: str | os.PathLike[str],
    rules: ImportRules = OWN_NAMES,
    *,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> ImportReport:
    """Bring labels of any size that another tool has written into a label file of ours.

    Parameters
    ----------
    labels : path
        One band of numbers, or three of colours; any raster that GDAL reads.
    out : path
        The label file, ``.tif``; written whole or not at all.
    rules : ImportRules
        What colours and numbers mean.
    overwrite : bool
        Whether existing output may be replaced; the input never is.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        `ImageReadError` if the file holds no labels, `TaxonomyError` if colours or numbers belong
        to no class, `OutputError` if the output cannot be written.

    Examples
    --------
    >>> from napari_firstpass import read_taxonomy
    >>> rules = ImportRules(taxonomy=read_taxonomy("potsdam"))
    >>> import_file("top_potsdam_2_10_label.tif", "labels.tif", rules)  # doctest: +SKIP
    """
    steps = import_file_steps(labels, out, rules, overwrite=overwrite)
    return run(guarded(steps), on_progress or ignore)


def import_file_steps(
    labels: str | os.PathLike[str],
    out: str | os.PathLike[str],
    rules: ImportRules = OWN_NAMES,
    *,
    overwrite: bool = False,
) -> Steps[ImportReport]:
    """Do the work of `import_file` in steps."""
    digest = yield from relay(file_sha256(labels), Span(0, 5, 100), "reading files")
    with rules.source(labels) as source:
        yield from relay(source.look_steps(), Span(5, 25, 100))
        unknown = 0
        if isinstance(source, ForeignLabels):
            unknown = source.unknown.pixels
            if not rules.keep_unknown:
                source.require_known()
        history = source.provenance
        if not history.config:
            history = replace(history, config=_told(rules, unknown), source_sha256=digest)
        file = LabelFile(
            out,
            grid=source.grid,
            taxonomy=source.taxonomy,
            provenance=history,
            overwrite=overwrite,
            forbid=source.files,
        )
        with file:
            yield from relay(_copied(source, file), Span(25, 50, 100))
            yield from relay(file.finish(), Span(50, 100, 100))
    return ImportReport(file.path, source.taxonomy, file.counts, unknown)


def _copied(source: ForeignLabels | LabelSource, file: LabelFile) -> Steps[None]:
    for top in range(0, source.grid.height, _ROWS_AT_ONCE):
        yield Progress(top, source.grid.height, "writing")
        height = min(_ROWS_AT_ONCE, source.grid.height - top)
        window = Window(top, 0, height, source.grid.width)
        file.write(window, source.read(window))


def _told(rules: ImportRules, unknown: int) -> dict[str, Any]:
    """Return what the record tells of the import."""
    return {
        "imported": {
            "preset": rules.preset,
            "by_code": rules.by_code,
            "ignored": list(rules.ignored),
            "unknown_pixels": unknown,
            "classes": None if rules.taxonomy is None else rules.taxonomy.to_dict(),
        }
    }
