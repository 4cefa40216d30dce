"""The options of a run, checked once, here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_firstpass.errors import OptionError

Device = Literal["auto", "cpu", "cuda"]
Runtime = Literal["torch", "openvino"]
RUNTIMES = ("torch", "openvino")

MAX_CLASSES = 1000
MAX_REGION = 1024
ENOUGH_OVERLAP = 64
"""What backbones and refiners see beyond a window, in pixels: more context changes nothing."""
WINDOW_STEP = 16
"""Windows are cut at multiples of this, so that every backbone stride up to 16 falls on them."""


DEFAULT_PRESET = "fast"
"""What every refiner has a preset of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig:
    """How to segment an image.

    Attributes
    ----------
    method : str
        A registered segmenter: ``primaps``, ``primaps-em`` or ``kmeans``.
    backbone : str
        A registered backbone: ``embedded`` or ``texture``.
    upsample : str
        ``bilinear``, ``guided``, ``anyup`` or the path of a folder with the weights of AnyUp make
        the cells of a network, of 8 or 16 pixels, finer; ``none`` leaves them.
    projection : str
        The path of a checkpoint of STEGO or HP, whose head makes codes of the features of the
        network that it was trained on; ``none`` leaves them. The method ``primaps-em`` then starts
        from the classes of its cluster probe.
    classes : int
        Number of classes wanted, 2 to 1000. Above 255 the labels are uint16.
    window : int
        Side of the windows that are computed at once, in pixels: a multiple of 16 from 64 to 8192.
        It bounds memory, not quality: the result does not depend on it (see ``overlap``).
    overlap : int
        Context read around each window, in pixels: a multiple of 16, at most half the window
        or 64. From 64 on, windows leave no seams; below, faster with seams.
    min_region : int
        Regions of fewer pixels are merged into their neighbours, 0 to 1024; 0 keeps all. A region
        is measured within its window and the overlap, hence the limit.
    seed : int
        Drives every random choice.
    device : str
        ``auto`` takes a GPU where there is one.
    refine : str
        A registered refiner, such as ``crf``, or with one of its presets, ``crf:paper``: it refines
        the labels of each window. ``none`` leaves them.
    runtime : str
        What runs a network that is the backbone: ``torch``, or the extra ``openvino``, which
        computes on the CPU whatever ``auto`` would take. The features differ in their last digits.
    """

    method: str = "primaps"
    backbone: str = "embedded"
    upsample: str = "none"
    projection: str = "none"
    classes: int = 8
    window: int = 1024
    overlap: int = ENOUGH_OVERLAP
    min_region: int = 48
    seed: int = 0
    device: Device = "auto"
    refine: str = "none"
    runtime: Runtime = "torch"

    def __post_init__(self) -> None:
        check_number("classes", self.classes, 2, MAX_CLASSES)
        _check_windows(self.window, self.overlap)
        check_number("min_region", self.min_region, 0, MAX_REGION)
        check_number("seed", self.seed, 0, 2**32 - 1)
        check_choice("device", self.device, ("auto", "cpu", "cuda"))
        check_choice("runtime", self.runtime, RUNTIMES)
        if self.runtime == "openvino" and self.device == "cuda":
            raise OptionError(
                expected="the device cpu or auto with the runtime openvino",
                found=repr(self.device),
                remedy="change one of them",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineConfig:
    """How to refine labels that are there already.

    Attributes
    ----------
    refiner : str
        A registered refiner, such as ``guided`` or ``crf``.
    preset : str
        One of its presets; all have ``fast``.
    window, overlap : int
        As in `SegmentConfig`.
    seed : int
        Drives every random choice.
    device : str
        ``auto`` takes a GPU where there is one.
    """

    refiner: str = "guided"
    preset: str = DEFAULT_PRESET
    window: int = 1024
    overlap: int = ENOUGH_OVERLAP
    seed: int = 0
    device: Device = "auto"

    def __post_init__(self) -> None:
        _check_windows(self.window, self.overlap)
        check_number("seed", self.seed, 0, 2**32 - 1)
        check_choice("device", self.device, ("auto", "cpu", "cuda"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptConfig:
    """How to find the outline of what is pointed at.

    Attributes
    ----------
    method : str
        A registered prompter, such as ``iseg``.
    preset : str
        One of its presets; all have ``fast``.
    model : str or None
        Name, folder or file of weights, for prompters that take some; None for their own.
    backbone : str
        As in `SegmentConfig`; for prompters that compare features.
    seed : int
        Drives every random choice.
    device : str
        ``auto`` takes a GPU where there is one.
    """

    method: str = "iseg"
    preset: str = "fast"
    model: str | None = None
    backbone: str = "embedded"
    seed: int = 0
    device: Device = "auto"

    def __post_init__(self) -> None:
        check_number("seed", self.seed, 0, 2**32 - 1)
        check_choice("device", self.device, ("auto", "cpu", "cuda"))


def _check_windows(window: int, overlap: int) -> None:
    check_number("window", window, 64, 8192, step=WINDOW_STEP)
    check_number("overlap", overlap, 0, max(window // 2, ENOUGH_OVERLAP), step=WINDOW_STEP)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Check an option that is one of a few words.

    Raises
    ------
    OptionError
        If it is another.
    """
    if value not in choices:
        raise OptionError(
            expected=f"a {name} out of {', '.join(choices)}",
            found=repr(value),
            remedy="choose one of them",
        )


def check_number(name: str, value: int, low: int, high: int, step: int = 1) -> None:
    """Check an option that is a whole number, of ``low`` to ``high``, a multiple of ``step``.

    Raises
    ------
    OptionError
        If it is another, or no ``int``.
    """
    # A numpy integer would pass, and fail later where the options are written as JSON.
    if type(value) is int and low <= value <= high and value % step == 0:
        return
    steps = ", a whole number" if step == 1 else f", a multiple of {step}"
    raise OptionError(
        expected=f"{name} in [{low}, {high}]{steps}",
        found=repr(value),
        remedy=f"change {name}",
    )


DEFAULT_CONFIG = SegmentConfig()
DEFAULT_REFINING = RefineConfig()
DEFAULT_PROMPTING = PromptConfig()
