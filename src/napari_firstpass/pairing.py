"""Finding the prediction that belongs to a truth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_firstpass.errors import FirstPassError, OptionError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

DEFAULT_SUFFIX = "_labels"
"""What ``firstpass segment`` adds to the name of an image in a folder."""

EXTRAS = ("_confidence", "_overlay", "_suggestions")
"""What is added to the name of a label map for the files that go with it."""

HINT_SUFFIXES = (DEFAULT_SUFFIX, "_hints")
"""What may be added to the name of an image for hints on it."""

IMAGE_ENDINGS = (".tif", ".tiff", ".vrt", ".jp2", ".png", ".jpg", ".jpeg")
"""Files that are taken for images in a folder."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A truth and what was predicted for the same image.

    Attributes
    ----------
    name : str
        Of the image, as far as the file names tell.
    truth, pred : Path
        The two files.
    image : Path or None
        What they describe, where somebody wants it.
    """

    name: str
    truth: Path
    pred: Path
    image: Path | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A pair that could not be compared.

    Attributes
    ----------
    name : str
        Of the image.
    error : FirstPassError
        Why.
    """

    name: str
    error: FirstPassError


@dataclass(frozen=True, slots=True)
class Suffixes:
    """Endings of file names, before the dot, that do not belong to the name of the image.

    Attributes
    ----------
    truth : str
        Truth files without it are passed over.
    pred : str
        A prediction without it is taken where there is none with it.
    """

    truth: str = ""
    pred: str = DEFAULT_SUFFIX


def paired(
    truth: Path,
    pred: Path,
    endings: Collection[str],
    suffixes: Suffixes = Suffixes(),
) -> tuple[list[Pair], list[Failure]]:
    """Pair two files, or the files of two folders by name.

    Parameters
    ----------
    truth, pred : Path
        Two files, or two folders (or the same one twice, with suffixes). Predictions without a
        truth are nobody's concern; a truth without a prediction is a failure.
    endings : collection of str
        Endings of the files to look at, in lower case, with the dot.
    suffixes : Suffixes
        What to take off the names.

    Returns
    -------
    pairs, failures : list of Pair, list of Failure
        In order of names.

    Raises
    ------
    OptionError
        If one is a file and the other a folder, or no truth is in the folder.
    """
    if truth.is_dir() != pred.is_dir():
        raise OptionError(
            expected="two files or two folders",
            found=f"{_kind(truth)} {truth} and {_kind(pred)} {pred}",
            remedy="check the paths; give the files, or the folders they are in",
        )
    if not truth.is_dir():
        return [Pair(truth.stem.removesuffix(suffixes.truth), truth, pred)], []
    truths, preds = _by_stem(truth, endings), _by_stem(pred, endings)
    if suffixes.pred and suffixes.pred != suffixes.truth and truth.samefile(pred):
        # In one folder for both, what is called a prediction is no truth.
        truths = {stem: found for stem, found in truths.items() if not stem.endswith(suffixes.pred)}
    stems = sorted(stem for stem in truths if stem.endswith(suffixes.truth))
    if not stems:
        raise OptionError(
            expected=f"truth files NAME{suffixes.truth} ({', '.join(endings)}) in {truth}",
            found="none",
            remedy="check the folder and --truth-suffix",
        )
    pairs: list[Pair] = []
    failures: list[Failure] = []
    for stem in stems:
        name = stem.removesuffix(suffixes.truth)
        found = preds.get(name + suffixes.pred) or preds.get(name, [])
        # Nor is a truth its own prediction.
        found = [path for path in found if path not in truths[stem]]
        if len(truths[stem]) == len(found) == 1:
            pairs.append(Pair(name, truths[stem][0], found[0]))
        else:
            failures.append(Failure(name, _not_one(name, truths[stem], found, pred)))
    return pairs, failures


def with_images(
    pairs: Sequence[Pair], images: Path, endings: Collection[str]
) -> tuple[list[Pair], list[Failure]]:
    """Add the image to each pair: a file for a single pair, or one of the same name in a folder.

    Returns
    -------
    pairs, failures : list of Pair, list of Failure
        Those with an image, and those that have none or several.

    Raises
    ------
    OptionError
        If there is nothing at ``images``.
    """
    if not images.exists():
        raise OptionError(
            expected="an image, or a folder of images",
            found=f"nothing at {images}",
            remedy="check the path",
        )
    is_folder = images.is_dir()
    files = _by_stem(images, endings) if is_folder else {pair.name: [images] for pair in pairs[:1]}
    added: list[Pair] = []
    failures: list[Failure] = []
    for pair in pairs:
        found = [path for path in files.get(pair.name, []) if path not in (pair.truth, pair.pred)]
        if len(found) == 1:
            added.append(replace(pair, image=found[0]))
        else:
            failures.append(Failure(pair.name, _no_image(pair, found, images)))
    return added, failures


def images_in(folder: Path) -> tuple[Path, ...]:
    """Return the images in a folder, in order of names, without what we write beside them.

    Passed over are label maps and hints (`HINT_SUFFIXES`), what goes with a label map (`EXTRAS`),
    and hidden files.

    Raises
    ------
    OptionError
        If there are none, or the folder cannot be read.
    """
    try:
        files = _by_stem(folder, IMAGE_ENDINGS)
        found = f"none in {folder}"
    except OSError as error:
        files, found = {}, f"{folder}: {error.strerror}"
    images = tuple(
        path
        for stem, paths in files.items()
        for path in paths
        if not stem.startswith(".") and not stem.endswith(HINT_SUFFIXES)
    )
    if not images:
        raise OptionError(
            expected=f"a folder with images ({', '.join(IMAGE_ENDINGS)})",
            found=found,
            remedy="choose another folder",
        )
    return images


def called_after(name: str, images: Sequence[str]) -> list[int]:
    """Return which images, from 0, a file is called after.

    Parameters
    ----------
    name : str
        Of the file: that of the image, or with one of `HINT_SUFFIXES` before the dot.
    images : sequence of str
        Names of images, with an ending or without.
    """
    stem = _bare(name)
    stems = {stem, *(stem.removesuffix(suffix) for suffix in HINT_SUFFIXES)}
    return [index for index, image in enumerate(images) if _bare(image) in stems]


def _bare(name: str) -> str:
    """Take off an ending, if it is one of images; names of layers have dots, too."""
    stem, dot, ending = name.rpartition(".")
    return stem if f"{dot}{ending}".lower() in IMAGE_ENDINGS else name


def _no_image(pair: Pair, found: list[Path], images: Path) -> FirstPassError:
    return OptionError(
        expected=f"one image called {pair.name} for {pair.truth.name}",
        found=" and ".join(path.name for path in found) or f"none in {images}",
        remedy="give the folder of the images",
    )


def _kind(path: Path) -> str:
    if not path.exists():
        return "nothing at"
    return "the folder" if path.is_dir() else "the file"


def _by_stem(folder: Path, endings: Collection[str]) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in endings and path.is_file():
            files[path.stem].append(path)
    # What we write beside a label map is none.
    return {stem: paths for stem, paths in files.items() if not _is_extra(stem, files)}


def _is_extra(stem: str, files: Collection[str]) -> bool:
    return any(stem.endswith(extra) and stem.removesuffix(extra) in files for extra in EXTRAS)


def _not_one(name: str, truths: list[Path], preds: list[Path], folder: Path) -> FirstPassError:
    if not preds:
        return OptionError(
            expected=f"a prediction for {truths[0].name}",
            found=f"no other file of that name in {folder}",
            remedy="segment the image, take its truth away, or check the suffixes",
        )
    several = truths if len(truths) > 1 else preds
    return OptionError(
        expected=f"one file called {name} in a folder",
        found=" and ".join(path.name for path in several),
        remedy="take away all but one",
    )
