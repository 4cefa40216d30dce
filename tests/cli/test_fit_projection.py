"""``firstpass fit --projection``: codes of a head behind a network, and classes of its probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import RGB
from grounds import areas, campaign, picture, write_tile
from heads import head_module, lightning, nested, probe_of, write_checkpoint
from models import WIDTH, build, save

import napari_firstpass
from napari_firstpass.backbones import backbone_factory
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT, USAGE
from napari_firstpass.config import SegmentConfig
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.linear_model import LinearModel
from napari_firstpass.model_file import read_model
from napari_firstpass.pipeline import fit_sample_steps
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.fitting import SetModel

CODE, CLASSES = 6, 4
MODULE, PROBE = head_module(WIDTH, CODE), probe_of(CLASSES, CODE)
FILES = ("stego.ckpt", "stego.safetensors", "hp.pth")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiles, a network, and checkpoints of one head in three layouts."""
    folder = tmp_path_factory.mktemp("projection")
    for i, ids in enumerate(campaign()[:2]):
        write_tile(folder / f"tile_{i}.tif", picture(ids, i)[:, :96, :96])
    save(build("DINO"), folder / "net")
    for name in FILES:
        content = nested(MODULE, PROBE) if name == "hp.pth" else lightning(MODULE, PROBE)
        write_checkpoint(folder / name, content)
    return folder


@pytest.fixture(autouse=True)
def cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRSTPASS_CACHE", str(place / "cache"))
    return place / "cache"


def fit(place: Path, out: Path, *options: str) -> list[str]:
    tiles = [str(place / f"tile_{i}.tif") for i in range(2)]
    run_ = ["fit", *tiles, "--backbone", str(place / "net"), "--classes", str(CLASSES)]
    return [*run_, "--method", "primaps-em", "--out", str(out), *options]


@pytest.fixture(scope="module")
def models(place: Path) -> dict[str, Path]:
    """What is fitted with each of the checkpoints."""
    found = {name: place / f"{name}.firstpass" for name in FILES}
    for name, out in found.items():
        options = ("--projection", str(place / name), "--no-cache")
        assert main(fit(place, out, *options)) == DONE
    return found


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_all_layouts_give_the_same_model(place: Path, models: dict[str, Path]) -> None:
    found = [read_model(file) for file in models.values()]
    for model in found:
        assert isinstance(model.classes, LinearModel)
        assert model.head is not None
        assert torch.equal(model.classes.directions, found[0].classes.directions)  # type: ignore[attr-defined]
    records = [model.provenance.config for model in found]
    assert {record["projection_sha256"] for record in records} == {records[0]["projection_sha256"]}
    assert [record["projection"] for record in records] == list(FILES)
    assert not any(str(place) in model.provenance.to_json() for model in found)


def test_the_same_run_gives_the_same_bytes_from_kept_features(
    place: Path, models: dict[str, Path], cache: Path, tmp_path: Path
) -> None:
    options = ("--projection", str(place / "stego.ckpt"))
    # What is kept is what the network says: a run with a head finds what one without computed.
    plain, out = tmp_path / "plain.firstpass", tmp_path / "again.firstpass"
    assert main(fit(place, plain, "--method", "kmeans")) == DONE
    kept = {file: file.stat().st_ino for file in cache.rglob("*.safetensors")}
    assert kept
    assert main(fit(place, out, *options)) == DONE
    assert out.read_bytes() == models["stego.ckpt"].read_bytes()
    assert {file: file.stat().st_ino for file in cache.rglob("*.safetensors")} == kept


@pytest.mark.parametrize("command", ["fit", "segment"])
def test_a_probe_has_decided_the_number_of_classes(
    command: str, place: Path, tmp_path: Path
) -> None:
    out = tmp_path / ("m.firstpass" if command == "fit" else "labels.tif")
    run_ = fit(place, out, "--projection", str(place / "stego.ckpt"), "--classes", "auto")
    if command == "segment":
        run_ = ["segment", run_[1], *run_[3:]]
    assert main(run_) == DONE
    found = read_model(out) if command == "fit" else read_segmentation(out)
    assert len(found.taxonomy) == CLASSES
    assert "suggested" not in found.provenance.config


def test_a_number_is_suggested_whatever_the_method_is(place: Path) -> None:
    config = SegmentConfig(
        method="primaps-em",
        backbone=str(place / "net"),
        projection=str(place / "stego.ckpt"),
        classes=CLASSES + 5,
    )
    found = napari_firstpass.suggest_classes([place / "tile_0.tif"], config)
    assert 2 <= found.classes <= 20


def test_the_model_labels_without_the_checkpoint(
    place: Path, models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels.tif"
    model = str(models["stego.ckpt"])
    segment = ["segment", str(place / "tile_1.tif"), "--model", model, "--out", str(out)]
    network = ("--backbone", str(place / "net"))
    again = ("--projection", str(place / "stego.ckpt"))
    assert main([*segment, *network, *again]) == USAGE
    assert "found --projection; leave out" in said(capsys)
    assert main([*segment, *network]) == DONE
    labels = read_segmentation(out)
    assert set(np.unique(labels.labels)) <= set(range(1, CLASSES + 1))
    assert labels.provenance is not None
    assert labels.provenance.config["projection"] == "stego.ckpt"


def test_scores_are_those_of_codes_as_the_layers_make_them(place: Path) -> None:
    pixels = picture(areas((0, 1, 2, 3), 1), 1)
    raster = Raster.from_array(pixels, Grid(*pixels.shape[1:]), roles=RGB)
    whole = raster.grid.window
    config = SegmentConfig(
        method="primaps-em",
        backbone=str(place / "net"),
        projection=str(place / "stego.ckpt"),
        classes=CLASSES,
        device="cpu",
    )
    fitted = run(fit_sample_steps([(raster, whole)], config))
    network = backbone_factory(config.backbone)(fitted.stats, RGB, torch.device("cpu"))
    vectors = run(network.extract(raster)).vectors
    with torch.no_grad():
        codes = MODULE(vectors[None])[0]
    assert isinstance(fitted.classes, LinearModel)
    unit = torch.nn.functional.normalize(fitted.classes.directions, dim=1)
    logits = torch.einsum("kw,whv->khv", unit * fitted.classes.gains[:, None], codes)
    assert bool((fitted.classes.offsets == 0).all())
    found = run(fitted.scores(raster)).vectors
    torch.testing.assert_close(found, logits.softmax(0), atol=1e-4, rtol=1e-3)
    assert fitted.features == pytest.approx(WIDTH / 64)  # what memory is needed for


def test_other_methods_take_codes_with_any_number_of_classes(place: Path) -> None:
    model: SetModel = napari_firstpass.fit_files(
        [place / "tile_0.tif"],
        SegmentConfig(
            method="kmeans",
            backbone=str(place / "net"),
            upsample="bilinear",
            projection=str(place / "hp.pth"),
            classes=3,
            device="cpu",
        ),
    )
    assert model.scaler.mean.shape == (CODE,)
    assert model.head is not None
    assert model.classes.count == 3
    assert model.features == pytest.approx(WIDTH / 16)


def test_one_image_is_segmented_by_codes(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.tif"
    segment = ["segment", str(place / "tile_0.tif"), "--classes", "3", "--method", "kmeans"]
    options = ["--backbone", str(place / "net"), "--projection", str(place / "stego.ckpt")]
    assert main([*segment, *options, "--out", str(out)]) == DONE
    record = read_segmentation(out).provenance
    assert record.config["projection"] == "stego.ckpt"
    assert len(record.config["projection_sha256"]) == 64


def test_what_does_not_fit_is_refused_in_one_sentence(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.firstpass"
    good = ("--projection", str(place / "stego.ckpt"))
    assert main(fit(place, out, *good, "--classes", "5")) == USAGE
    assert "expected 4 classes, as the cluster probe of stego.ckpt has, found 5" in said(capsys)
    wide = write_checkpoint(tmp_path / "wide.ckpt", lightning(head_module(48, CODE), PROBE))
    assert main(fit(place, out, "--projection", str(wide))) == UNFIT
    assert "expected vectors of 48 numbers, on which wide.ckpt was trained, found 32" in said(
        capsys
    )
    content = lightning(MODULE, PROBE)
    state = content["state_dict"]
    content["state_dict"] = {k: v for k, v in state.items() if "probe" not in k}
    bare = write_checkpoint(tmp_path / "bare.ckpt", content)
    assert main(fit(place, out, "--projection", str(bare))) == UNFIT
    assert "expected a cluster probe in bare.ckpt, to start from, found none" in said(capsys)
    assert main(fit(place, out, "--projection", str(tmp_path / "no.ckpt"))) == UNFIT
    assert "no.ckpt, found no such file; check the path" in said(capsys)
    assert not out.exists()


def test_the_checkpoint_is_never_replaced(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "stego.ckpt"
    before = file.read_bytes()
    assert main(fit(place, file, "--projection", str(file), "--overwrite")) == UNFIT
    assert "stego.ckpt" in said(capsys)
    assert file.read_bytes() == before
