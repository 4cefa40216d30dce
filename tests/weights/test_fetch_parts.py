"""Fetching a model of diffusers, whose parts are in folders, and using it."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from hub_server import COMMIT, Hub, serving

from diffusion import save_diffusion
from napari_firstpass.backbones import backbone_factory
from napari_firstpass.diffusion.provider import load_diffusion
from napari_firstpass.errors import UnknownNameError, WeightsError
from napari_firstpass.progress import run
from napari_firstpass.weights.fetch import fetch_steps
from napari_firstpass.weights.folder import find, verify
from napari_firstpass.weights.manifest import Manifest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Command = Callable[..., subprocess.CompletedProcess[str]]

NAME, REPO = "sd-1-5", "stable-diffusion-v1-5/stable-diffusion-v1-5"
BIG = "unet/diffusion_pytorch_model.safetensors"
NOT_NEEDED = {
    "README.md": b"# Model",
    "v1-5-pruned.ckpt": b"a pickle",
    "safety_checker/config.json": b"{}",
    "safety_checker/model.safetensors": b"not needed",
    "unet/diffusion_pytorch_model.bin": b"a pickle",
    "unet/evil.py": b"raise SystemExit('ran')",
}


def files_in(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_diffusion(tmp_path_factory.mktemp("published") / "model")


@pytest.fixture
def published(saved: Path, tmp_path: Path) -> Path:
    """A repository as it is published, downloaded to a folder."""
    folder = shutil.copytree(saved, tmp_path / "usb stick")
    for name, content in NOT_NEEDED.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def parts(published: Path) -> Iterator[Hub]:
    files = {name: (published / name).read_bytes() for name in files_in(published)}
    with serving(REPO, files) as hub:
        yield hub


def test_a_model_in_parts_is_fetched_and_works(
    models: Command, parts: Hub, home: Path, saved: Path
) -> None:
    done = models("fetch", NAME, HF_ENDPOINT=parts.url)
    assert done.returncode == 0, done.stderr
    assert files_in(home / NAME) == {*files_in(saved), "firstpass.json"}
    assert all((home / NAME / n).read_bytes() == parts.files[n] for n in files_in(saved))
    assert Manifest.read(home / NAME).commit == COMMIT
    assert run(verify(NAME)) == ()
    provider = run(load_diffusion(find(NAME)))
    found = run(provider.attend(torch.rand(3, 64, 64)))
    torch.testing.assert_close(found.mean("self", 1).sum(1), torch.ones(64))
    parts.requests.clear()
    assert models("fetch", NAME, HF_ENDPOINT=parts.url).returncode == 0
    assert parts.requests == []


def test_a_part_that_broke_off_is_gone_on_with(models: Command, parts: Hub, home: Path) -> None:
    parts.drop_after = 2**16
    done = models("fetch", NAME, HF_ENDPOINT=parts.url)
    assert done.returncode == 0, done.stderr
    assert len(parts.ranges) == 1
    assert run(verify(NAME)) == ()
    assert not [name for name in files_in(home / NAME) if name.endswith(".partial")]


def test_what_an_earlier_attempt_left_vanishes(models: Command, parts: Hub, home: Path) -> None:
    part = home / f"{NAME}.part"
    for name in ("unet/old.safetensors", "vae/.config.json.0.partial", "odd/inner/file", "stray"):
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).write_bytes(b"x")
    if sys.platform != "win32":
        (part / "link").symlink_to(home.parent)
    assert models("fetch", NAME, HF_ENDPOINT=parts.url).returncode == 0
    assert run(verify(NAME)) == ()
    assert {p.name for p in (home / NAME).iterdir()} == {
        "firstpass.json", "model_index.json", "scheduler", "text_encoder", "tokenizer", "unet",
        "vae",
    }  # fmt: skip
    assert home.parent.is_dir()


def test_a_folder_with_parts_is_as_good_as_a_network(
    home: Path, published: Path, saved: Path
) -> None:
    run(fetch_steps(NAME, source=published))
    assert files_in(home / NAME) == {*files_in(saved), "firstpass.json"}
    assert run(verify(NAME)) == ()
    (home / NAME / BIG).write_bytes(b"x")
    with pytest.raises(WeightsError, match=f"found that {BIG} is cut off"):
        find(NAME)


def test_a_repository_in_parts_in_the_cache_of_the_hub_is_found(
    home: Path, published: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "models--stable-diffusion-v1-5--stable-diffusion-v1-5"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(COMMIT)
    (cache / "snapshots").mkdir()
    published.rename(cache / "snapshots" / COMMIT)
    run(fetch_steps(NAME, source=cache))
    assert Manifest.read(home / NAME).commit == COMMIT


def test_a_path_to_a_model_in_parts_leads_to_itself(published: Path) -> None:
    assert find(str(published)) == published


@pytest.mark.usefixtures("home")
def test_a_maker_of_images_is_no_backbone(published: Path) -> None:
    run(fetch_steps(NAME, source=published))
    with pytest.raises(UnknownNameError, match="found 'sd-1-5'"):
        backbone_factory(NAME)
