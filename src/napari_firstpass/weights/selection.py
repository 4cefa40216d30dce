"""Which files of a repository are taken: configuration, vocabulary, licence, one set of weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_firstpass.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONFIG = "config.json"
"""What a folder of weights must have."""

_LARGEST_TEXT = 2**26  # some vocabularies have 35 MB; what is larger describes no model
_TEXT = re.compile(
    r"\w[\w.-]*\.json|(merges|vocab)\.txt|\w[\w.-]*\.model|(LICEN[CS]E|NOTICE)[\w.-]*", re.ASCII
)
# An index belongs to one set of weights; an adapter would be applied by transformers unasked.
_NOT_TEXT = re.compile(r".*\.index\.json|adapter_.*|firstpass\.json")

# Best first. Files of the second kind are pickles: a loader must read them with weights_only=True.
_KINDS = (("model", "safetensors"), ("pytorch_model", "bin"))


def wanted(sizes: Mapping[str, int], where: str) -> tuple[str, ...]:
    """Return which files to take out of those that there are.

    Files in inner folders are never taken, nor is code.

    Parameters
    ----------
    sizes : mapping of str to int
        Bytes of every file, by its name from the top of the repository.
    where : str
        What to call the repository in an error.

    Raises
    ------
    WeightsError
        If there is no configuration, no set of weights, or only some parts of one.
    """
    texts = sorted(name for name, size in sizes.items() if _is_text(name, size))
    weights = next(filter(None, (_weights(sizes, *kind) for kind in _KINDS)), ())
    if CONFIG not in texts or not weights:
        raise WeightsError(
            expected=f"{CONFIG} and model.safetensors, whole or in all its parts, in {where}",
            found=_some(sizes),
            remedy="choose the folder or revision that holds the model as transformers saves it",
        )
    return (*texts, *weights)


def _is_text(name: str, size: int) -> bool:
    return bool(_TEXT.fullmatch(name) and not _NOT_TEXT.fullmatch(name) and size <= _LARGEST_TEXT)


def _weights(sizes: Iterable[str], stem: str, suffix: str) -> tuple[str, ...]:
    """Return the files of one set of weights, none if it is incomplete."""
    if (single := f"{stem}.{suffix}") in sizes:
        return (single,)
    part = re.compile(rf"{stem}-(\d{{5}})-of-(\d{{5}})\.{suffix}")
    parts = {name: match for name in sorted(sizes) if (match := part.fullmatch(name))}
    index = f"{stem}.{suffix}.index.json"
    counts = {int(match[2]) for match in parts.values()}
    return (*parts, index) if index in sizes and counts == {len(parts)} else ()


def _some(names: Iterable[str]) -> str:
    seen = sorted(names)
    more = f" and {len(seen) - 8} more" if len(seen) > 8 else ""
    return ", ".join(seen[:8]) + more if seen else "no files"
