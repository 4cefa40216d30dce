"""A hub with one small repository, and the command line as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hub_server import Hub, serving
from safetensors import numpy as safetensors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPO = "facebook/dinov2-small"  # that of the name dinov2-s


def model_files() -> dict[str, bytes]:
    """A repository with 3 MB of weights, and things in it that nobody needs."""
    values = np.random.default_rng(0).normal(size=(3, 2**18)).astype(np.float32)
    return {
        "config.json": json.dumps({"model_type": "dinov2", "hidden_size": 8}).encode(),
        "preprocessor_config.json": b'{"size": 224}\n',
        "model.safetensors": safetensors.save({"a": values, "b": values[0]}),
        "pytorch_model.bin": b"a pickle",
        "modeling_evil.py": b"raise SystemExit('ran')",
        "onnx/model.onnx": b"onnx",
        "README.md": b"# Model",
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights, for this process and those it starts."""
    folder = tmp_path / "weights"
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(REPO, model_files()) as hub:
        yield hub


@pytest.fixture
def environment(tmp_path: Path, home: Path, hub: Hub) -> dict[str, str]:
    """What a user has set who has nothing but the hub on this machine: no token, no proxy."""
    theirs = ("HF_", "HUGGING", "XDG_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(theirs)}
    kept = {key: value for key, value in kept.items() if "proxy" not in key.lower()}
    ours = {"HF_HOME": str(tmp_path / "hf"), "FIRSTPASS_WEIGHTS": str(home)}
    return {**kept, **ours, "HF_ENDPOINT": hub.url}


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def models(environment: dict[str, str]) -> Command:
    """Run ``firstpass models …`` in a process of its own."""

    def run(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "napari_firstpass.cli", "models", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**environment, **more},
            timeout=60,
        )

    return run


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    """The repository as somebody with a network downloaded it."""
    folder = tmp_path / "usb stick"
    for name, content in model_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
