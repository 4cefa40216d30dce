"""The tensors of a checkpoint, and nothing else of it: no code that may be in a file is run.

Checkpoints of PyTorch are pickles. They are opened by torch with ``weights_only``, which makes
tensors and plain containers and calls nothing else. STEGO's hold their training options too, as
objects of omegaconf; for these few names, and no others, an empty object of ours is put, so that
neither omegaconf nor anything else is imported for a file.
"""

from __future__ import annotations

import re
import zipfile
from pickle import UnpicklingError
from threading import RLock
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.loading import FAILURES
from napari_firstpass.tensor_file import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DEEPEST = 4
"""Tables within tables."""

_OPTIONS = (
    "builtins.bool", "builtins.dict", "builtins.float", "builtins.int", "builtins.list",
    "builtins.object", "builtins.str", "builtins.tuple", "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata", "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig", "omegaconf.nodes.AnyNode", "omegaconf.nodes.BooleanNode",
    "omegaconf.nodes.FloatNode", "omegaconf.nodes.IntegerNode", "omegaconf.nodes.StringNode",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", "typing.Any",
)  # fmt: skip
"""What training options are made of."""

_TABLES = ("collections.defaultdict", "pytorch_lightning.utilities.parsing.AttributeDict")

_STANDING_IN = RLock()
"""torch keeps the list of what it may make for the whole process."""


class _Nothing:
    """Stands for an object of a file; takes whatever is said to it, and keeps none of it."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


class _Table:
    """Becomes an ordinary, empty table when it is made."""

    def __new__(cls, *_: object) -> dict[Any, Any]:  # type: ignore[misc]
        return {}


def tensors_in(file: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of floating-point numbers in a file, as they are, without reading them.

    Parameters
    ----------
    file : Path
        A ``.safetensors`` file, or what ``torch.save`` wrote: tensors in tables (dict), in tables.

    Returns
    -------
    dict of str to tensor
        By their paths, with dots between, on the CPU. Those of a checkpoint of today lie in the
        file, which must stay until they are copied.

    Raises
    ------
    WeightsError
        If the file cannot be read, or holds other objects.
    """
    if file.suffix == ".safetensors":
        arrays = unpack(_bytes(file), file.name)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
    found = _loaded(file)
    if not isinstance(found, dict):
        raise _unfit(file, f"a {type(found).__name__}", "give another file")
    return {path: tensor.detach() for path, tensor in _flat(found)}


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unfit(file, str(error.strerror), "check the file") from error


def _loaded(file: Path) -> object:
    instead: list[Any] = [(_Nothing, name) for name in _OPTIONS]
    instead += [(_Table, name) for name in _TABLES]
    try:
        with _STANDING_IN, torch.serialization.safe_globals(instead):
            return torch.load(
                file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file)
            )
    except FAILURES as error:
        if not isinstance(error, UnpicklingError):
            kind = f"a file that cannot be read so ({type(error).__name__})"
            raise _unfit(file, kind, "get the file again") from error
        named = re.search(r"GLOBAL (\S+)", str(error))
        raise _unfit(
            file,
            f"{named[1] if named else 'others'} among them, which is not opened: it may run code",
            f"where you trust the file, run {_conversion(file)}",
        ) from error


def _conversion(file: Path) -> str:
    """Return a command that keeps the tensors of a head alone."""
    script = (
        "import torch; from safetensors.torch import save_file; "
        f"c = torch.load('{file.name}', 'cpu', weights_only=False); "
        "save_file({k: v.float().contiguous().clone() for k, v in c['state_dict'].items() "
        f"if 'cluster' in k}}, '{file.stem}.safetensors')"
    )
    return f'python -c "{script}" and give the new file'


def _flat(
    table: dict[Any, Any], path: str = "", above: tuple[int, ...] = ()
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors with their paths; tables may hold those that they are in."""
    above = (*above, id(table))
    for key, value in table.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, torch.Tensor):
            if value.is_floating_point() and value.layout == torch.strided:
                yield here, value
        elif isinstance(value, dict) and len(above) < _DEEPEST and id(value) not in above:
            yield from _flat(value, here, above)


def _unfit(file: Path, found: str, remedy: str) -> WeightsError:
    return WeightsError(
        expected=f"tensors and plain tables in {file.name}", found=found, remedy=remedy
    )
