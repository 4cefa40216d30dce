"""Which files of a repository are taken: configuration, vocabulary, licence, one set of weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_firstpass.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONFIG = "config.json"
"""What a folder of weights must have,"""
INDEX = "model_index.json"
"""or this, where the model has parts, each in a folder,"""
OPEN_CLIP = "open_clip_config.json"
"""or this, as the package open_clip saves it."""

_LARGEST_TEXT = 2**26  # some vocabularies have 35 MB; what is larger describes no model
_TEXT = re.compile(
    r"\w[\w.-]*\.json|(merges|vocab)\.txt|\w[\w.-]*\.model|(LICEN[CS]E|NOTICE)[\w.-]*", re.ASCII
)
_LICENCE = re.compile(r"(LICEN[CS]E|NOTICE).*")
# An index belongs to one set of weights; an adapter would be applied by transformers unasked.
_NOT_TEXT = re.compile(r".*\.index\.json|adapter_.*|firstpass\.json")

# Best first. Files of the second kind are pickles: a loader must read them with weights_only=True.
_KINDS = (("model", "safetensors"), ("pytorch_model", "bin"))

# The parts of a model of diffusers that look at images and words: what a folder of each must have,
# and the name of its weights. There are others, such as a filter of what was made.
_PARTS = {
    "scheduler": ("scheduler_config.json", None),
    "text_encoder": (CONFIG, "model"),
    "tokenizer": ("tokenizer_config.json", None),
    "unet": (CONFIG, "diffusion_pytorch_model"),
    "vae": (CONFIG, "diffusion_pytorch_model"),
}


def wanted(sizes: Mapping[str, int], where: str) -> tuple[str, ...]:
    """Return which files to take out of those that there are.

    Files in inner folders are taken for models that diffusers saved in parts alone: of the parts
    that look, safetensors only. Code is never taken.

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
    if INDEX in sizes:
        return _of_parts(sizes, where)
    texts = sorted(name for name, size in sizes.items() if _is_text(name, size))
    weights = next(filter(None, (_weights(sizes, *kind) for kind in _KINDS)), ())
    if CONFIG not in texts or not weights:
        raise WeightsError(
            expected=f"{CONFIG} and model.safetensors, whole or in all its parts, in {where}",
            found=_some(sizes),
            remedy="choose the folder or revision that holds the model as transformers saves it",
        )
    return (*texts, *weights)


def _of_parts(sizes: Mapping[str, int], where: str) -> tuple[str, ...]:
    found = [INDEX, *(n for n in sorted(sizes) if _LICENCE.fullmatch(n) and _is_text(n, sizes[n]))]
    for part, (needed, stem) in _PARTS.items():
        start = f"{part}/"
        inner = {n.removeprefix(start): size for n, size in sizes.items() if n.startswith(start)}
        texts = sorted(name for name, size in inner.items() if _is_text(name, size))
        weights = _best_variant(inner, stem) if stem else ()
        if needed not in texts or (stem and not weights):
            more = f" and {stem}.safetensors" if stem else ""
            raise WeightsError(
                expected=f"{needed}{more} in the folder {part} of {where}",
                found=_some(inner),
                remedy="choose the folder or revision that holds a Stable Diffusion 1 or 2 as "
                "diffusers saves it, with safetensors",
            )
        found += [start + name for name in (*texts, *weights)]
    return tuple(found)


def _best_variant(names: Iterable[str], stem: str) -> tuple[str, ...]:
    """Return the files of one set of weights; of half the length where there are no others."""
    whole = _weights(names, stem, "safetensors")
    half = f"{stem}.fp16.safetensors"
    return whole or ((half,) if half in names else ())


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
