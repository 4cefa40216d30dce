"""Networks on OpenVINO, an extra: what torch computes, on some processors sooner.

OpenVINO prepares a network for one size of pictures, which takes seconds to a minute. So whole
windows go to it, and smaller pictures (a small image, the rim of a sample) stay with torch. Which
of the two computes depends on the size of a picture alone, so the same run gives the same bytes.

What it says is compared with what torch says before it is used. Nothing is written or sent.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn import Module

from napari_firstpass.errors import ComputeError, OptionError
from napari_firstpass.networks.loading import quiet
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from torch import Tensor

    from napari_firstpass.networks.vision import VisionModel

_MESSAGE = "preparing the network"
_TELEMETRY = "openvino_telemetry"
_MOST_APART = {False: 1e-4, True: 0.1}
"""How far from torch's values may be, in their spread; by whether numbers are short."""


def openvino_version() -> str:
    """Return the version of OpenVINO, importing nothing.

    Raises
    ------
    OptionError
        If it is not installed.
    """
    try:
        return version("openvino")
    except PackageNotFoundError as error:
        raise _missing("that it is not installed") from error


def _missing(found: str) -> OptionError:
    return OptionError(
        expected="the package openvino, which the runtime openvino needs",
        found=found,
        remedy='install it with pip install "napari-firstpass[openvino]", or leave out the runtime',
    )


@dataclass(frozen=True, slots=True)
class PreparedNetwork:
    """A network made ready for pictures of one size.

    Attributes
    ----------
    compiled : openvino.CompiledModel
        From a picture (1, 3, H, W) to its map of features.
    lock : threading.Lock
        It can answer once at a time, and a run that was cancelled may still be asking.
    """

    compiled: Any
    lock: Lock = field(default_factory=Lock, compare=False)

    def maps(self, pixels: Tensor) -> Tensor:
        """Return features (N, D, h, w) of scaled pictures (N, 3, H, W), both float32."""
        with self.lock:
            # Its answers are copies, which the next one does not touch.
            found = [self.compiled(one[None].contiguous().numpy())[0] for one in pixels]
        return torch.cat([torch.from_numpy(one) for one in found])


@dataclass(slots=True)
class OpenVINONetwork:
    """A model that whole windows are shown to on OpenVINO, prepared when the first one comes.

    Attributes
    ----------
    model : VisionModel
        The model, on the CPU.
    layers : tuple of int
        See `VisionModel.maps`.
    side : int
        Side of whole windows, in pixels of the picture that the model sees.
    short : bool
        Whether to compute with bfloat16.
    """

    model: VisionModel
    layers: tuple[int, ...]
    side: int
    short: bool
    _prepared: PreparedNetwork | None = field(default=None, init=False)

    def asker(self, picture: Tensor) -> Steps[Callable[[Tensor], Tensor]]:
        """Return what turns pixels of windows of a picture (3, H, W) into maps of features.

        Raises
        ------
        OptionError
            If OpenVINO is not installed.
        ComputeError
            If it cannot run this model, or says something else than torch.
        """
        if min(picture.shape[1:]) < self.side:
            return partial(self.model.maps, layers=self.layers)
        if self._prepared is None:
            self._prepared = yield from prepare_steps(
                self.model, self.layers, (self.side, self.side), short=self.short
            )
        return self._prepared.maps


def prepare_steps(
    model: VisionModel, layers: tuple[int, ...], shape: tuple[int, int], *, short: bool
) -> Steps[PreparedNetwork]:
    """Make a model ready for pictures of one size.

    Parameters
    ----------
    model : VisionModel
        The model, on the CPU. It is not changed; the weights are shared.
    layers : tuple of int
        See `VisionModel.maps`.
    shape : (H, W)
        Size of the pictures, multiples of the model's patch.
    short : bool
        Whether to compute with bfloat16. Without units for it, that is many times slower.

    Raises
    ------
    OptionError
        If OpenVINO is not installed.
    ComputeError
        If it cannot run this model, or says something else than torch.
    """
    yield Progress(0, 3, _MESSAGE)
    openvino = _package()
    picture = torch.randn(1, 3, *shape, generator=torch.Generator().manual_seed(0))
    asked = _Asked(_with_fixed_places(model), layers)
    expected = asked(picture)
    with _refusing():
        traced = _traced(asked, picture)
        yield Progress(1, 3, _MESSAGE)
        network = openvino.convert_model(
            traced, example_input=picture, input=[tuple(picture.shape)]
        )
        yield Progress(2, 3, _MESSAGE)
        found = PreparedNetwork(openvino.Core().compile_model(network, "CPU", _settings(short)))
        _require_same(found.maps(picture), expected, _MOST_APART[short])
    return found


def _package() -> ModuleType:
    """Return the package openvino, imported without what reports its use to its makers.

    That part writes to the home folder and opens a connection when openvino is imported. Where it
    is not installed, openvino does without; so for the import, it is not.
    """
    known = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise _missing(str(error)) from error
    finally:
        del sys.modules[_TELEMETRY]
        if known is not None:
            sys.modules[_TELEMETRY] = known
    return cast("ModuleType", openvino)


class _Asked(Module):
    """A model with the layers that are wanted of it, as one function."""

    def __init__(self, model: VisionModel, layers: tuple[int, ...]) -> None:
        super().__init__()
        self.module, self._model, self._layers = model.module, model, layers

    def forward(self, pixels: Tensor) -> Tensor:
        return self._model.maps(pixels, self._layers)


def _with_fixed_places(model: VisionModel) -> VisionModel:
    """Return a copy that shares the weights and is fit for one size of pictures only.

    What it adds to patches for their places is computed once, by torch. For some families OpenVINO
    would interpolate it less exactly (2026.4: wrong by a hundredth), and anew for every window.
    """
    weights = [*model.module.parameters(), *model.module.buffers()]
    module = deepcopy(model.module, {id(weight): weight for weight in weights})
    for part in module.modules():
        interpolate = getattr(part, "interpolate_pos_encoding", None)
        if callable(interpolate):
            object.__setattr__(part, "interpolate_pos_encoding", _once(interpolate))
    return replace(model, module=module)


def _once(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function that gives its first result for ever."""
    results: list[Tensor] = []

    def first(*args: Any, **options: Any) -> Tensor:  # noqa: ANN401
        if not results:
            results.append(compute(*args, **options))
        return results[0]

    return first


def _traced(asked: Module, picture: Tensor) -> Any:  # noqa: ANN401
    """Return the operations that a model consists of, for pictures of this size."""
    with quiet(), warnings.catch_warnings():
        # What depends on the size becomes constant, as is wanted.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        # torch 2.13's successor of tracing needs a compiler, and openvino no more than this.
        warnings.filterwarnings("ignore", r"`torch\.jit\.trace", DeprecationWarning)
        # Tracing reads all attributes of a model of transformers 5.23, the deprecated ones too.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return torch.jit.trace(asked, (picture,), check_trace=False)  # type: ignore[no-untyped-call]


def _settings(short: bool) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if short else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        # Two runs at once would be pinned to the same cores.
        "ENABLE_CPU_PINNING": False,
    }


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what torch and OpenVINO raise for a model they can do nothing with into our error."""
    from openvino import frontend
    from openvino.tools.ovc.error import Error, FrameworkError

    theirs = (
        Error, FrameworkError, frontend.GeneralFailure, frontend.InitializationFailure,
        frontend.NotImplementedFailure, frontend.OpConversionFailure, frontend.OpValidationFailure,
    )  # fmt: skip
    of_torch = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)
    try:
        yield
    except (*theirs, *of_torch) as error:
        # Operations that it does not know are named at the end of a long report.
        text = " ".join(str(error).rpartition("Summary:")[2].split())[:200]
        raise _unfit(f"{type(error).__name__}: {text}") from error


def _require_same(found: Tensor, expected: Tensor, most: float) -> None:
    apart = float((found - expected).square().mean().sqrt() / expected.std())
    if not apart <= most:
        raise _unfit(f"values {apart:.2g} spreads apart from those of torch")


def _unfit(found: str) -> ComputeError:
    return ComputeError(
        expected="a network that OpenVINO can run",
        found=found,
        remedy="choose the runtime torch",
    )
