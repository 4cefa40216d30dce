"""Lists of classes in files: read by name or path, written whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.errors import ImageReadError, OutputError, TaxonomyError, UnknownNameError
from napari_firstpass.io.files import whole_file, writing
from napari_firstpass.io.label_reader import read_classes
from napari_firstpass.taxonomies import BUILT_IN, built_in
from napari_firstpass.taxonomies.forms import FORMS, endings

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from napari_firstpass.taxonomy import Taxonomy

ENCODINGS = ("utf-8", "utf-16", "cp1252")
"""What a file may be written in; UTF-8 unless said otherwise."""

_LARGEST = 2**24
_LABELS = (".tif", ".tiff")


def read_taxonomy(name_or_path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Taxonomy:
    """Read a built-in taxonomy by its name, or one in a file.

    Parameters
    ----------
    name_or_path : str or path
        A name out of `napari_firstpass.taxonomies.BUILT_IN`; a file in YAML, JSON, CSV or as a
        colour map, by its ending; or a label file, for its classes. A file with the name of a
        built-in one needs a path, such as ``./potsdam``.
    encoding : str
        One of `ENCODINGS`.

    Raises
    ------
    UnknownNameError
        If it is neither a known name nor a file.
    ImageReadError
        If the file cannot be read.
    TaxonomyError
        If it is in another encoding or form, or its classes contradict each other.
    """
    if name_or_path in BUILT_IN:
        return built_in(str(name_or_path))
    path = Path(name_or_path)
    ending = path.suffix.lower()
    if ending in _LABELS:
        return read_classes(path)
    if ending not in FORMS:
        raise _unknown(name_or_path)
    return FORMS[ending].read(class_text(path, encoding), path.name)


def write_taxonomy(
    path: str | os.PathLike[str],
    taxonomy: Taxonomy,
    *,
    overwrite: bool = False,
    forbid: Iterable[Path] = (),
) -> Path:
    """Write a taxonomy, in the form that the ending names; the same classes give the same bytes.

    Parameters
    ----------
    path : path
        The file; see `taxonomy_forms.FORMS` for the endings.
    taxonomy : Taxonomy
        The classes.
    overwrite, forbid
        See `napari_firstpass.io.files.whole_file`.

    Raises
    ------
    OutputError
        If the ending is unknown, or the file cannot be written.
    """
    place = Path(path)
    form = FORMS.get(place.suffix.lower())
    if form is None:
        raise OutputError(
            expected=f"an output that ends in {endings()}",
            found=str(place),
            remedy="change the ending",
        )
    content = form.write(taxonomy).encode("utf-8")
    with whole_file(place, overwrite=overwrite, forbid=forbid) as partial, writing(place):
        partial.write_bytes(content)
    return place


def class_text(path: Path, encoding: str = ENCODINGS[0], *, what: str = "a list of classes") -> str:
    """Return what a file holds, without a byte order mark, with plain line ends.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str
        One of `ENCODINGS`.
    what : str
        What it should hold, for messages.

    Raises
    ------
    ImageReadError
        If the file cannot be read.
    TaxonomyError
        If it is large, or in another encoding.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise TaxonomyError(
                expected=f"{what} of at most {_LARGEST // 2**20} MB",
                found=f"{size / 2**20:.1f} MB at {path}",
                remedy="check the path",
            )
        text = path.read_bytes().decode(encoding)
    except OSError as error:
        raise ImageReadError(
            expected=f"{what} at {path}",
            found=error.strerror or str(error),
            remedy="check the path",
        ) from error
    except (UnicodeDecodeError, LookupError) as error:
        raise TaxonomyError(
            expected=f"text in {encoding.upper()} in {path.name}",
            found="another encoding",
            remedy=f"save it as UTF-8, or say which one it is: {', '.join(ENCODINGS)}",
        ) from error
    if "\0" in text:
        raise TaxonomyError(
            expected=f"text in {encoding.upper()} in {path.name}",
            found="zeros between the letters",
            remedy="save it as UTF-8, or say that it is utf-16",
        )
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _unknown(name: str | os.PathLike[str]) -> UnknownNameError:
    return UnknownNameError(
        expected=f"a taxonomy out of {', '.join(BUILT_IN)}, or a file that ends in "
        f"{endings((*FORMS, *_LABELS))}",
        found=repr(str(name)),
        remedy="choose one of them, or check the path",
    )
