"""Options that several commands have, and what they mean."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any, Literal

from napari_firstpass.cli_progress import complain
from napari_firstpass.feature_cache import FeatureCache, default_folder
from napari_firstpass.imagery import AUTO

if TYPE_CHECKING:
    from argparse import Namespace

    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.registry import Registry

RUNTIMES = "what runs a network; openvino is an extra, for the CPU"
ATTRIBUTE = "what tells the class of shapes; none: a usual name, such as class or name"
_A_LINE = 10
NETWORKS = 'a name of "firstpass models list"; a folder with a network'


def table(registry: Registry[Any]) -> str:
    """Return the names of a table with what they stand for, in one line."""
    return "; ".join(f"{name}: {registry.summary(name)}" for name in registry.names)


def finer_help() -> str:
    """Return what ``--upsample`` does, in one line."""
    from napari_firstpass.upsampling import ANYUP, UPSAMPLERS

    learned = f"{ANYUP}, or a folder: learned weights of AnyUp"
    return f"finer features of networks; none: as they are; {table(UPSAMPLERS)}; {learned}"


def projection_help() -> str:
    """Return what ``--projection`` does, in one line."""
    return "a checkpoint of STEGO or HP: its codes instead of the network's features"


def pixel_size(text: str) -> float | str:
    """Read what follows ``--resample``: metres, or `AUTO`."""
    if text == AUTO:
        return AUTO
    try:
        return float(text)
    except ValueError:
        told = f"expected metres, found {text!r}; write --resample after the images"
        raise ArgumentTypeError(told) from None


def feature_cache(options: Namespace, config: SegmentConfig) -> FeatureCache | None:
    """Return where features are kept, None for nowhere."""
    from napari_firstpass.backbones import keeps_features

    brought = getattr(options, "model", None) is not None  # with a backbone, perhaps a network
    if options.no_cache or not (brought or keeps_features(config.backbone)):
        return None
    return FeatureCache(default_folder())


def tell_trouble(cache: FeatureCache | None) -> None:
    """Say why features could not be kept, if they could not."""
    if cache is not None and cache.trouble is not None:
        complain(str(cache.trouble))


def number_of_classes(text: str) -> int | Literal["auto"]:
    """Read ``--classes``.

    Raises
    ------
    ArgumentTypeError
        If it is no whole number, nor ``auto``.
    """
    if text == AUTO:
        return AUTO
    try:
        return int(text)
    except ValueError as error:
        raise ArgumentTypeError(f"expected a whole number or auto, found {text!r}") from error


def suggestion_lines(found: dict[str, Any] | None) -> list[str]:
    """Return what a person reads of `ClassCount.to_dict`: the number, and a small table of all."""
    if found is None:
        return []
    others = f" (also {' and '.join(map(str, found['also']))})" if found["also"] else ""
    lines = [f"  suggested   {found['classes']} classes{others}, by {found['criterion']}:"]
    for start in range(0, len(found["curve"]), _A_LINE):
        part = found["curve"][start : start + _A_LINE]
        lines.append(" " * 14 + "".join(f"{classes:>6}" for classes, _ in part))
        lines.append(" " * 14 + "".join(f"{score:>6.2f}" for _, score in part))
    return lines
