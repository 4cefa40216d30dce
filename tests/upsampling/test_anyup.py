from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from features import RGB, landscape, rgb_raster
from models import build, save
from torch import Tensor, nn
from torch.nn import functional

from napari_firstpass import tensor_file
from napari_firstpass.api import segment_source_steps
from napari_firstpass.backbones import backbone_factory
from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import WeightsError
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource
from napari_firstpass.upsampling import upsampler_of
from napari_firstpass.upsampling.anyup import AnyUp, load_anyup
from napari_firstpass.upsampling.anyup_network import AnyUpNetwork, windows
from napari_firstpass.upsampling.upsampled import UpsampledBackbone

if TYPE_CHECKING:
    from collections.abc import Callable

    Keep = Callable[[dict[str, Tensor], Path], None]
    Spoil = Callable[[dict[str, Tensor]], None]

CPU = torch.device("cpu")


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters that the authors publish."""
    shapes: dict[str, tuple[int, ...]] = {
        "rope.freqs": (2, 128),
        "image_encoder.0.weight": (128, 3, 1, 1),
        "key_encoder.0.weight": (128, 128, 1, 1),
        "query_encoder.0.weight": (128, 128, 1, 1),
        "key_features_encoder.0.basis": (128, 1, 5, 5),
        "aggregation.0.weight": (128, 256, 3, 3),
        "cross_decode.conv2d.weight": (128, 128, 3, 3),
        "cross_decode.cross_attn.norm_q.weight": (128,),
        "cross_decode.cross_attn.norm_k.weight": (128,),
        "cross_decode.cross_attn.attention.in_proj_weight": (384, 128),
        "cross_decode.cross_attn.attention.in_proj_bias": (384,),
        "cross_decode.cross_attn.attention.out_proj.weight": (128, 128),
        "cross_decode.cross_attn.attention.out_proj.bias": (128,),
    }
    encoders = ("image", "key", "query", "key_features")
    for encoder in (*(f"{name}_encoder" for name in encoders), "aggregation"):
        for block in (1, 2):
            start = f"{encoder}.{block}.block"
            for norm, mixing in ((0, 2), (3, 5)):
                shapes[f"{start}.{norm}.weight"] = shapes[f"{start}.{norm}.bias"] = (128,)
                shapes[f"{start}.{mixing}.weight"] = (128, 128, 1, 1)
    return shapes


def parameters(seed: int = 0) -> dict[str, Tensor]:
    """Random parameters under which similarities differ much."""
    draw = torch.Generator().manual_seed(seed)
    found = {
        name: torch.randn(shape, generator=draw) * max(1, np.prod(shape[1:])) ** -0.5
        for name, shape in published_shapes().items()
    }
    found["cross_decode.cross_attn.attention.in_proj_weight"] *= 3
    found["key_features_encoder.0.basis"] *= 20
    found["rope.freqs"] *= 10
    return found


@pytest.fixture(scope="module")
def network() -> AnyUpNetwork:
    made = AnyUpNetwork()
    made.load_state_dict(parameters())
    return made.eval().requires_grad_(requires_grad=False)


def inputs(dims: int, height: int, width: int, patch: int = 8) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    picture = torch.randn(3, height * patch, width * patch, generator=draw)
    return picture, torch.randn(dims, height, width, generator=draw)


class Dense:
    """The same equations, written plainly: every fine cell beside every coarse one."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def __call__(self, picture: Tensor, maps: Tensor, factor: int) -> Tensor:
        dims, height, width = maps.shape
        fine = (height * factor, width * factor)
        seen = self.turned(self.encoded("image_encoder", picture[None]))
        queries = functional.adaptive_avg_pool2d(self.encoded("query_encoder", seen), fine)
        keys = functional.adaptive_avg_pool2d(self.encoded("key_encoder", seen), (height, width))
        structure = self.blocks("key_features_encoder", self.structure(maps)[None])
        keys = self.encoded("aggregation", torch.cat([keys, structure], 1))
        queries = functional.conv2d(queries, self.state["cross_decode.conv2d.weight"], padding=1)
        shares = self.shares(queries, keys, self.far(fine, (height, width)))
        return (maps.flatten(1) @ shares.T).reshape(dims, *fine)

    def encoded(self, name: str, maps: Tensor) -> Tensor:
        kernel = self.state[f"{name}.0.weight"]
        rim = kernel.shape[-1] // 2
        padded = functional.pad(maps, (rim,) * 4, mode="reflect") if rim else maps
        return self.blocks(name, functional.conv2d(padded, kernel))

    def blocks(self, name: str, maps: Tensor) -> Tensor:
        for block in (1, 2):
            changed = maps
            for norm, mixing in ((0, 2), (3, 5)):
                start = f"{name}.{block}.block"
                scale, shift = (self.state[f"{start}.{norm}.{key}"] for key in ("weight", "bias"))
                changed = functional.silu(functional.group_norm(changed, 8, scale, shift))
                changed = functional.conv2d(changed, self.state[f"{start}.{mixing}.weight"])
            maps = maps + changed
        return maps

    def structure(self, maps: Tensor) -> Tensor:
        """Answers of 128 filters, dealt as the weights expect; one cell and number at a time."""
        dims, height, width = maps.shape
        unit = functional.normalize(maps, dim=0)
        found = torch.zeros(128, height, width)
        for row in range(height):
            for col in range(width):
                answers = []
                for channel in unit:
                    total, inside = torch.zeros(128), 0
                    for i in range(-2, 3):
                        for j in range(-2, 3):
                            if 0 <= row + i < height and 0 <= col + j < width:
                                kernel = self.state["key_features_encoder.0.basis"]
                                total += kernel[:, 0, i + 2, j + 2] * channel[row + i, col + j]
                                inside += 1
                    answers.append(total / inside)
                dealt = torch.cat(answers).reshape(128, dims)
                found[:, row, col] = (dealt.exp() / dealt.exp().sum(0)).mean(1)
        return found

    def turned(self, maps: Tensor) -> Tensor:
        rows, cols = (torch.linspace(0, 1, side) for side in maps.shape[2:])
        places = torch.stack(torch.meshgrid(rows, cols, indexing="ij"), -1)
        angle = (places @ self.state["rope.freqs"]).movedim(-1, 0)
        partner = torch.cat([-maps[:, 64:], maps[:, :64]], 1)
        return maps * angle.cos() + partner * angle.sin()

    def far(self, fine: tuple[int, int], coarse: tuple[int, int]) -> Tensor:
        near = []
        for count, cells in zip(fine, coarse, strict=True):
            middle = (np.arange(count, dtype=np.float32) + np.float32(0.5)) / np.float32(count)
            low = np.floor(np.clip(middle - np.float32(0.1), 0, 1) * np.float32(cells))
            high = np.ceil(np.clip(middle + np.float32(0.1), 0, 1) * np.float32(cells))
            places = np.arange(cells)
            near.append((places >= low[:, None]) & (places < high[:, None]))
        both = near[0][:, None, :, None] & near[1][None, :, None, :]
        return torch.from_numpy(~both.reshape(fine[0] * fine[1], -1))

    def shares(self, queries: Tensor, keys: Tensor, far: Tensor) -> Tensor:
        start = "cross_decode.cross_attn"
        attention = nn.MultiheadAttention(128, 4, batch_first=True)
        attention.load_state_dict(
            {
                key: self.state[f"{start}.attention.{key}"]
                for key in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
            }
        )
        asked, known = (
            functional.rms_norm(one.flatten(2).mT, (128,), self.state[f"{start}.norm_{key}.weight"])
            for key, one in (("q", queries), ("k", keys))
        )
        with torch.no_grad():
            return attention(asked, known, known, attn_mask=far)[1][0]


def test_the_names_and_shapes_are_those_of_the_published_weights() -> None:
    found = {name: tuple(value.shape) for name, value in AnyUpNetwork().state_dict().items()}
    assert found == published_shapes()


@pytest.mark.parametrize(
    ("dims", "height", "width", "factor"), [(6, 7, 11, 4), (3, 2, 5, 2), (130, 3, 3, 2)]
)
def test_the_network_is_that_of_the_equations(
    network: AnyUpNetwork, dims: int, height: int, width: int, factor: int
) -> None:
    picture, maps = inputs(dims, height, width)
    found = network(picture, maps, factor)
    expected = Dense(parameters())(picture, maps, factor)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_similarities_decide() -> None:
    # Otherwise the test above could pass with means over windows.
    picture, maps = inputs(6, 7, 11)
    found, other = (Dense(parameters(seed))(picture, maps, 4) for seed in (0, 1))
    assert float((found - other).abs().mean()) > 0.1


@pytest.mark.parametrize("at_once", [1, 5_000, 10**9])
def test_how_much_is_computed_at_once_changes_nothing(network: AnyUpNetwork, at_once: int) -> None:
    picture, maps = inputs(5, 9, 8)
    torch.testing.assert_close(network(picture, maps, 4, at_once), network(picture, maps, 4))


@pytest.mark.parametrize("dims", [1, 67, 384])
def test_vectors_are_means_of_coarse_ones(network: AnyUpNetwork, dims: int) -> None:
    picture, maps = inputs(dims, 6, 6)
    found = network(picture, maps, 4).flatten(1)
    assert found.shape == (dims, 24 * 24)
    low, high = maps.flatten(1).aminmax(dim=1)
    assert bool((found >= low[:, None] - 1e-5).all())
    assert bool((found <= high[:, None] + 1e-5).all())


def test_fine_cells_look_at_a_fifth_of_the_map() -> None:
    begin, end = windows(80, 20)
    assert (int(begin[0]), int(end[0])) == (0, 3)
    assert (int(begin[40]), int(end[40])) == (8, 13)
    assert (int(begin[79]), int(end[79])) == (17, 20)


def test_one_row_of_cells_is_possible(network: AnyUpNetwork) -> None:
    picture, maps = inputs(3, 1, 1)
    torch.testing.assert_close(network(picture, maps, 4), maps.expand(3, 4, 4))


def test_large_maps_are_made_of_views_without_a_gap(network: AnyUpNetwork) -> None:
    shape = (157, 130)  # a little is cut off at the ends
    maps = torch.tensor([3.0, -1.0])[:, None, None].expand(2, 40, 33).contiguous()
    picture = torch.rand(3, 320, 264, generator=torch.Generator().manual_seed(0))
    found = run(AnyUp(network).finer(maps, picture, 4, shape))
    torch.testing.assert_close(found, maps[:, :1, :1].expand(2, *shape), atol=1e-5, rtol=0)


def test_a_small_map_is_looked_at_once_and_whole(network: AnyUpNetwork) -> None:
    _, maps = inputs(4, 6, 9)
    picture = torch.rand(3, 48, 72, generator=torch.Generator().manual_seed(0))
    mean, spread = (
        torch.tensor(x)[:, None, None] for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    expected = network((picture - mean) / spread, maps, 4)
    found = run(AnyUp(network).finer(maps, picture, 4, (23, 35)))
    torch.testing.assert_close(found, expected[:, :23, :35])


def keep_safe(state: dict[str, Tensor], folder: Path) -> None:
    arrays = {name: value.numpy() for name, value in state.items()}
    (folder / "anyup.safetensors").write_bytes(tensor_file.pack(arrays, {}))


def keep_pth(state: dict[str, Tensor], folder: Path) -> None:
    torch.save(state, folder / "anyup.pth")


both_formats = pytest.mark.parametrize("keep", [keep_safe, keep_pth])


@both_formats
def test_weights_are_loaded_from_a_folder(keep: Keep, tmp_path: Path) -> None:
    keep(parameters(), tmp_path)
    found = upsampler_of(str(tmp_path))
    assert isinstance(found, AnyUp)
    for name, value in found.network.state_dict().items():
        assert torch.equal(value, parameters()[name])


def without_one(state: dict[str, Tensor]) -> None:
    del state["rope.freqs"]


def with_one_more(state: dict[str, Tensor]) -> None:
    state["head.weight"] = torch.zeros(3)


def with_another_shape(state: dict[str, Tensor]) -> None:
    state["rope.freqs"] = torch.zeros(2, 64)


def with_nan(state: dict[str, Tensor]) -> None:
    state["rope.freqs"][0, 3] = torch.nan


@both_formats
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_one, "found no rope.freqs; get the file again"),
        (with_one_more, "found an unknown head.weight; get the file again"),
        (with_another_shape, "found another shape of rope.freqs; get the file again"),
        (with_nan, r"(found numbers that are not finite in rope.freqs|values that are not finite)"),
    ],
)
def test_other_parameters_are_refused(
    keep: Keep,
    spoil: Spoil,
    message: str,
    tmp_path: Path,
) -> None:
    state = parameters()
    spoil(state)
    keep(state, tmp_path)
    with pytest.raises(WeightsError, match=message):
        load_anyup(tmp_path)


class _Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("whole", [True, False])
def test_code_in_a_pickle_does_not_run(whole: bool, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    content = _Harm(trace) if whole else {**parameters(), "rope.freqs": _Harm(trace)}
    (tmp_path / "w").mkdir()
    torch.save(content, tmp_path / "w" / "anyup.pth")
    with pytest.raises(WeightsError, match="found a file that cannot be read so"):
        load_anyup(tmp_path / "w")
    assert not trace.exists()
    # Otherwise this would prove nothing.
    call, arguments = _Harm(trace).__reduce__()
    call(*arguments)
    assert trace.exists()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"state_dict": {}}, "something else: state_dict"),
        ([torch.zeros(2)], "a list"),
    ],
)
def test_what_is_no_table_of_tensors_is_refused(
    content: object, found: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "anyup.pth")
    with pytest.raises(WeightsError, match=f"found {found}"):
        load_anyup(tmp_path)


@pytest.mark.parametrize("name", ["anyup.pth", "anyup.safetensors"])
def test_a_file_cut_off_is_refused(name: str, tmp_path: Path) -> None:
    (keep_pth if name.endswith("pth") else keep_safe)(parameters(), tmp_path)
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=name):
        load_anyup(tmp_path)


def test_a_folder_without_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsError, match="found none; put anyup_multi_backbone"):
        load_anyup(tmp_path)
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"in .*anyup, found no such folder"):
        upsampler_of("anyup")
    for name in ("a.pth", "b.pth"):
        torch.save(parameters(), tmp_path / name)
    with pytest.raises(WeightsError, match=r"found 2: a.pth, b.pth"):
        load_anyup(tmp_path)


def test_it_makes_a_network_finer(network: AnyUpNetwork, tmp_path: Path) -> None:
    raster = rgb_raster(landscape(90, 75))
    stats = BandStats.of([raster])
    inner = backbone_factory(str(save(build("DINOv2"), tmp_path / "tiny")))(stats, RGB, CPU)
    found = run(UpsampledBackbone(inner, AnyUp(network), stats, RGB, CPU).extract(raster))
    coarse = run(inner.extract(raster)).vectors.flatten(1)
    assert found.grid == raster.grid.coarsen(4)
    assert bool((found.vectors.flatten(1).amax(1) <= coarse.amax(1) + 1e-4).all())


def test_the_record_names_the_weights_and_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my-anyup"
    folder.mkdir()
    keep_safe(parameters(), folder)
    config = SegmentConfig(
        method="kmeans",
        backbone=str(save(build("DINOv2"), tmp_path / "tiny")),
        upsample=str(folder),
        classes=2,
    )
    raster = rgb_raster(landscape(64, 64))
    found = run(segment_source_steps(ArraySource(raster), config, name="land"))
    assert found.provenance is not None
    assert found.provenance.config["upsample"] == "my-anyup"
    assert len(found.provenance.config["upsample_sha256"]) == 64
    assert str(tmp_path) not in found.provenance.to_json()
