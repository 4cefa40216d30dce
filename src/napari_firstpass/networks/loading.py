"""Loading models of Hugging Face transformers from folders: quietly, and whole or not at all.

Nothing is fetched, and no code that comes with a model is run.
"""

from __future__ import annotations

from contextlib import contextmanager
from pickle import UnpicklingError
from threading import RLock
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.folder import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from types import ModuleType

    from torch.nn import Module
    from transformers import CLIPTokenizer, PreTrainedConfig, PreTrainedTokenizerBase

    from napari_firstpass.networks.folder import VisionFolder
    from napari_firstpass.networks.open_clip_folder import OpenClipFolder

FAILURES = (
    ArithmeticError, AttributeError, EOFError, ImportError, LookupError, OSError, RuntimeError,
    TypeError, UnpicklingError, ValueError,
)  # fmt: skip
"""What transformers and torch raise for files that they can do nothing with."""

_LOADING = RLock()
"""transformers changes what a whole process shares while it loads. A run that was cancelled may
still be loading when the next begins."""


def transformers_package() -> ModuleType:
    """Return the package transformers.

    Raises
    ------
    WeightsError
        If it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise WeightsError(
            expected="the package transformers, which models in folders need",
            found=str(error),
            remedy='install it with: pip install "napari-firstpass[models]"',
        ) from error
    package: ModuleType = transformers
    return package


def config_of(folder: VisionFolder, written: Mapping[str, Any]) -> PreTrainedConfig | None:
    """Return a config as an object of transformers, None for a type that they do not know.

    Parameters
    ----------
    folder : VisionFolder
        Where it comes from, for messages.
    written : mapping
        What `VisionFolder.config` returned.

    Raises
    ------
    WeightsError
        If transformers is missing, or no config of that type can be made of it.
    """
    transformers, kind = transformers_package(), written["model_type"]
    with refusing(folder, f"a config of a {kind} model in {folder.path / CONFIG}"), quiet():
        if kind not in transformers.CONFIG_MAPPING:
            return None
        config: PreTrainedConfig = transformers.CONFIG_MAPPING[kind].from_dict(dict(written))
    return config


def load_weights(
    folder: VisionFolder, config: PreTrainedConfig, maker: str
) -> tuple[Module, dict[str, Any]]:
    """Load a model with 32-bit weights, in evaluation mode.

    Parameters
    ----------
    folder : VisionFolder
        Where the weights are.
    config : PreTrainedConfig
        What to make.
    maker : str
        Name of a class of transformers with ``from_pretrained``.

    Returns
    -------
    module : Module
        The model. What the folder lacks is random in it: see `require_whole`.
    info : dict
        ``missing_keys`` are names; ``mismatched_keys`` are (name, shape in the file, shape in the
        model).

    Raises
    ------
    WeightsError
        If the weights are missing, damaged, or would run code.
    """
    folder.weight_files()
    kind = getattr(transformers_package(), maker)
    with refusing(folder, f"weights of a {config.model_type} model in {folder.path}"), quiet():
        module, info = kind.from_pretrained(
            folder.path,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=folder.is_safe,
            weights_only=True,
            # Else the names of those that do not fit would be printed and not told.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    return module.eval().requires_grad_(requires_grad=False), info


def clip_vocabulary(folder: VisionFolder) -> CLIPTokenizer:
    """Load the vocabulary of a model that reads as CLIP does.

    Raises
    ------
    WeightsError
        If it is missing or damaged.
    """
    with refusing(folder, f"the vocabulary of a CLIPTokenizer in {folder.path}"), quiet():
        try:
            found: CLIPTokenizer = transformers_package().CLIPTokenizer.from_pretrained(
                folder.path, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:
            # The library below it raises this very class for files that are damaged.
            if type(error) is Exception:
                raise ValueError(str(error)) from error
            raise
        return found


def require_vocabulary(
    folder: VisionFolder, tokenizer: PreTrainedTokenizerBase, known: int
) -> None:
    """Check that every word of a tokenizer is among those that an encoder has a vector for.

    Raises
    ------
    WeightsError
        If the vocabulary is larger.
    """
    highest = max(tokenizer.get_vocab().values())
    if highest >= known:
        raise WeightsError(
            expected=f"a vocabulary of at most {known} words in {folder.path}",
            found=f"one of {highest + 1}",
            remedy="get the tokenizer that belongs to the text encoder",
        )


def require_whole(expected: str, info: Mapping[str, Any], unused: AbstractSet[str]) -> None:
    """Check that a folder had all weights of a model.

    Parameters
    ----------
    expected : str
        What to say was expected.
    info : mapping
        ``missing_keys`` and ``mismatched_keys``, as `load_weights` returns them.
    unused : set of str
        Parts of names; weights with one of them change nothing that is asked for.

    Raises
    ------
    WeightsError
        If a weight was missing or had another shape.
    """
    misfits = [entry[0] for entry in info["mismatched_keys"]]
    wrong = sorted(
        name for name in (*info["missing_keys"], *misfits) if unused.isdisjoint(name.split("."))
    )
    if wrong:
        raise WeightsError(
            expected=expected,
            found=f"{len(wrong)} missing or of another shape, such as {wrong[0]}",
            remedy="get the weights again, and the config that belongs to them",
        )


@contextmanager
def refusing(folder: VisionFolder | OpenClipFolder, expected: str) -> Iterator[None]:
    """Turn what transformers raise for an unfit folder into a `WeightsError`."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except (*FAILURES, StrictDataclassError, SafetensorError) as error:
        text = " ".join(str(error).split())[:200]
        raise WeightsError(
            expected=expected,
            found=f"{type(error).__name__}: {text}",
            remedy=f"get the files in {folder.path} again, or choose another model",
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from writing to the terminal; one thread at a time."""
    from transformers.utils import logging

    with _LOADING:
        level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
