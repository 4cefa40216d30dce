"""Attention of tiny Stable Diffusion models, written and loaded as real ones are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from diffusers import DDPMScheduler
from memory_limits import needs_limits, said_when_short
from safetensors.torch import load_file, save_file
from torch.nn import functional

from diffusion import TOKENS, build_text_encoder, build_unet, build_vae, save_diffusion
from napari_firstpass.diffusion.capture import Storage, capture, layers_of
from napari_firstpass.diffusion.provider import AttentionConfig, AttentionProvider, load_diffusion
from napari_firstpass.errors import ComputeError, ImageContentError, OptionError, WeightsError
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.diffusion.attention import Attentions

UNET = "unet/diffusion_pytorch_model.safetensors"
PICTURE = torch.rand(3, 128, 192, generator=torch.Generator().manual_seed(0))
PROMPT = "a roof and a tree"
ALL = AttentionConfig(cross_at=(1, 2, 4, 8), prompt=PROMPT)

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.fixture(scope="module", params=["1", "2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_diffusion(tmp_path_factory.mktemp("diffusion") / "model", request.param)


@pytest.fixture(scope="module")
def provider(folder: Path) -> AttentionProvider:
    return run(load_diffusion(folder, ALL, dtype="float32"))


def asked(
    provider: AttentionProvider, picture: torch.Tensor = PICTURE, **changes: object
) -> Attentions:
    return run(replace(provider, config=replace(ALL, **changes)).attend(picture))


def same(first: Attentions, second: Attentions) -> bool:
    pairs = zip(first.maps, second.maps, strict=True)
    return all(torch.equal(a.weights, b.weights) for a, b in pairs)


def test_every_layer_attends_to_places_and_words(provider: AttentionProvider) -> None:
    found = asked(provider)
    assert found.latent == (16, 24)
    assert len(found.maps) == 32
    for layer in found.maps:
        ones = torch.ones(len(layer.weights))
        torch.testing.assert_close(layer.weights.sum(1), ones, atol=1e-6, rtol=0)
    assert found.mean("self", 4).shape == (24, 24)
    assert found.mean("cross", 2).shape == (96, TOKENS)
    torch.testing.assert_close(found.mean("self", 1).sum(1), torch.ones(384))


def test_the_network_sees_what_diffusers_and_transformers_would_show_it(
    folder: Path, provider: AttentionProvider
) -> None:
    generation = "2" if isinstance(provider.model.unet.config.attention_head_dim, list) else "1"
    noise = torch.randn(1, 4, 16, 24, generator=torch.Generator().manual_seed(5))
    schedule = DDPMScheduler.from_pretrained(folder / "scheduler")
    # Begin, "a", "roo", "f", … : numbers of the vocabulary, and as many ends as fit.
    letters = {chr(97 + i): i for i in range(26)}
    last = {chr(97 + i): 26 + i for i in range(26)}
    numbers = [54, last["a"], 53, last["f"], letters["a"], letters["n"], last["d"], last["a"]]
    numbers += [letters["t"], letters["r"], letters["e"], last["e"]]
    tokens = torch.tensor([numbers + [55] * (TOKENS - len(numbers))])
    with torch.no_grad():
        latents = build_vae().encode(PICTURE[None] * 2 - 1).latent_dist.mode() * 0.18215
        noisy = schedule.add_noise(latents, noise, torch.tensor([300]))
        words = build_text_encoder()(input_ids=tokens).last_hidden_state
    unet = build_unet(generation)
    expected = capture(unet, layers_of(unet), noisy, 300, words, Storage())
    found = asked(provider, timestep=300, seed=5)
    for layer, other in zip(found.maps, expected, strict=True):
        assert layer.name == other.name
        torch.testing.assert_close(layer.weights, other.weights, atol=1e-5, rtol=1e-3)


def test_the_schedule_is_read(folder: Path, provider: AttentionProvider) -> None:
    schedule = DDPMScheduler.from_pretrained(folder / "scheduler")
    torch.testing.assert_close(provider.model.alphas, schedule.alphas_cumprod)
    assert provider.model.prediction == schedule.config.prediction_type
    # As published for these models: √ᾱ at 100 and 300.
    known = torch.tensor([0.9456, 0.768])
    torch.testing.assert_close(provider.model.alphas[[100, 300]].sqrt(), known, atol=5e-4, rtol=0)


def test_the_same_seed_gives_the_same_bytes(folder: Path, provider: AttentionProvider) -> None:
    again = run(load_diffusion(folder, ALL, dtype="float32"))
    assert same(asked(provider, seed=3), asked(again, seed=3))
    assert not same(asked(provider, seed=3), asked(provider, seed=4))
    assert same(asked(provider, seed=3, noise=False), asked(provider, seed=4, noise=False))


def test_only_what_is_asked_for_is_kept(provider: AttentionProvider) -> None:
    config = {"self_at": (8,), "cross_at": (4,), "layers": ("up_blocks.3.attentions.1.*attn1",)}
    found = asked(provider, **config)
    assert [(layer.kind, layer.factor) for layer in found.maps] == [
        *[("cross", 4)] * 2, ("self", 8), *[("cross", 4)] * 3, ("self", 1)
    ]  # fmt: skip
    assert found.maps[-1].name == "up_blocks.3.attentions.1.transformer_blocks.0.attn1"
    whole = {layer.name: layer.weights for layer in asked(provider).maps}
    assert all(torch.equal(layer.weights, whole[layer.name]) for layer in found.maps)


def test_words_of_the_prompt_are_found_and_stressed(provider: AttentionProvider) -> None:
    plain, stressed = asked(provider), asked(provider, stressed=("roof", "tree"), stress=1.6)
    assert plain.prompt.of("roof") == ((2, 3),)
    assert plain.prompt.of("A") == ((1,), (7,))
    assert plain.prompt.of("tree") == ((8, 9, 10, 11),)
    first = "down_blocks.0.attentions.0.transformer_blocks.0.attn2"
    before, after = (
        next(layer for layer in found.maps if layer.name == first) for found in (plain, stressed)
    )
    # A score is linear in its word's vector: ratios to the other words grow to the power of 1.6.
    heads = [
        next(layer for layer in asked(provider, per_head=True, **options).maps
             if layer.name == first).weights.double().log()
        for options in ({}, {"stressed": ("roof", "tree"), "stress": 1.6})
    ]  # fmt: skip
    scores, more = (found - found[..., :1] for found in heads)
    assert not torch.equal(before.weights, after.weights)
    torch.testing.assert_close(more[..., 1], scores[..., 1], atol=1e-4, rtol=0)
    spread, wider = scores[..., 2] - scores[..., 3], more[..., 2] - more[..., 3]
    torch.testing.assert_close(wider, spread * 1.6, atol=1e-4, rtol=1e-3)
    with pytest.raises(OptionError, match="the words 'car' in the prompt"):
        asked(provider, stressed=("car",))


def test_letters_of_the_prompt_are_stressed_where_they_stand_alone(
    provider: AttentionProvider,
) -> None:
    first, second = (
        replace(provider, config=replace(ALL, stress=2.0, stressed=said))._prompt[1][0]
        for said in (("a",), ((11, 12),))
    )
    plain = provider._prompt[1][0]
    assert PROMPT[11] == "a"
    for vectors, tokens in ((first, [1, 7]), (second, [7])):
        factors = torch.ones(TOKENS)
        factors[tokens] = 2.0
        torch.testing.assert_close(vectors, plain * factors[:, None])


def test_heads_of_one_kind_are_kept_apart_and_some_of_the_other_averaged(
    provider: AttentionProvider,
) -> None:
    apart = asked(provider, per_head=True, self_at=(8,), cross_at=(4,))
    found = asked(provider, per_head="cross", self_heads=(1, 0), self_at=(8,), cross_at=(4,))
    some = asked(provider, per_head="cross", self_heads=(1,), self_at=(8,), cross_at=(4,))
    for layer, part, whole in zip(found.maps, some.maps, apart.maps, strict=True):
        if layer.kind == "cross":
            assert torch.equal(layer.weights, whole.weights)
            continue
        torch.testing.assert_close(layer.weights, whole.weights[:2].mean(0))
        torch.testing.assert_close(part.weights, whole.weights[1])
    with pytest.raises(OptionError, match="heads from 0 to"):
        asked(provider, self_heads=(7,))


def test_a_picture_is_encoded_once_for_several_prompts(provider: AttentionProvider) -> None:
    latents = provider.encoded(PICTURE)
    other = replace(provider, config=replace(ALL, prompt="a tree"))
    assert same(run(provider.attend_to(latents)), asked(provider))
    assert same(run(other.attend_to(latents)), asked(provider, prompt="a tree"))
    assert other.prompt.text == "a tree"


def test_a_prompt_that_is_too_long_is_refused(provider: AttentionProvider) -> None:
    asked(provider, prompt="x " * (TOKENS - 2))
    with pytest.raises(OptionError, match=f"at most {TOKENS - 2} tokens, found one of 19"):
        asked(provider, prompt="x " * (TOKENS - 1))


@pytest.mark.parametrize(
    ("size", "latent"), [((64, 64), (8, 8)), ((100, 150), (16, 16)), ((20, 300), (8, 40))]
)
def test_pictures_of_any_size_are_resized_to_whole_cells(
    provider: AttentionProvider, size: tuple[int, int], latent: tuple[int, int]
) -> None:
    picture = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    found = asked(provider, picture)
    assert found.latent == latent
    sides = [side * 8 for side in latent]
    fitted = functional.interpolate(picture[None], sides, mode="bilinear", antialias=True)[0]
    assert same(found, asked(provider, fitted))


@pytest.mark.parametrize(
    "picture", [torch.rand(64, 64), torch.rand(4, 64, 64), torch.full((3, 64, 64), torch.nan)]
)
def test_what_is_no_picture_is_refused(provider: AttentionProvider, picture: torch.Tensor) -> None:
    with pytest.raises(ImageContentError, match=r"a picture \(3, H, W\)"):
        asked(provider, picture)


def test_tiny_memory_and_short_storage_say_the_same(provider: AttentionProvider) -> None:
    expected = asked(provider)
    for layer, other in zip(asked(provider, memory="tiny").maps, expected.maps, strict=True):
        torch.testing.assert_close(layer.weights, other.weights, atol=1e-6, rtol=0)
    for layer, other in zip(asked(provider, stored="float16").maps, expected.maps, strict=True):
        assert torch.equal(layer.weights, other.weights.half())
    heads = asked(provider, per_head=True).maps
    assert heads[0].weights.shape[0] == provider.layers[0].module.heads


def test_work_that_is_dropped_leaves_the_network_as_it_was(provider: AttentionProvider) -> None:
    processors = dict(provider.model.unet.attn_processors)
    for count in range(1, 4):
        steps = provider.attend(PICTURE)
        for _ in range(count):
            next(steps)
        steps.close()
    asked(provider)
    after = provider.model.unet.attn_processors
    assert all(after[name] is processor for name, processor in processors.items())


def test_the_result_can_be_learned_from(provider: AttentionProvider) -> None:
    weights = asked(provider).maps[0].weights
    factor = torch.ones((), requires_grad=True)
    (weights * factor).sum().backward()
    assert factor.grad is not None


def test_nothing_is_decoded(provider: AttentionProvider) -> None:
    assert provider.model.vae.decoder is None


def test_loading_is_silent(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    messages: list[str] = []
    run(load_diffusion(folder), lambda progress: messages.append(progress.message))
    assert capfd.readouterr() == ("", "")
    assert len(messages) == 4


def test_half_numbers_are_loaded_where_there_is_nothing_else(
    folder: Path, provider: AttentionProvider, tmp_path: Path
) -> None:
    half = shutil.copytree(folder, tmp_path / "half")
    for path in half.rglob("*.safetensors"):
        short = {name: weights.half() for name, weights in load_file(path).items()}
        save_file(short, path.with_suffix(".fp16.safetensors"), metadata={"format": "pt"})
        path.unlink()
    found = asked(run(load_diffusion(half, ALL, dtype="float32")))
    for layer, other in zip(found.maps[:2], asked(provider).maps[:2], strict=True):
        torch.testing.assert_close(layer.weights, other.weights, atol=1e-2, rtol=0)


def test_old_names_of_the_text_encoders_weights_are_known(
    folder: Path, provider: AttentionProvider, tmp_path: Path
) -> None:
    old = shutil.copytree(folder, tmp_path / "old")
    path = old / "text_encoder/model.safetensors"
    weights = {f"text_model.{name}": values for name, values in load_file(path).items()}
    weights["text_model.embeddings.position_ids"] = torch.arange(TOKENS)[None]
    save_file(weights, path, metadata={"format": "pt"})
    assert same(asked(run(load_diffusion(old, ALL, dtype="float32"))), asked(provider))


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("unet/diffusion_pytorch_model", "conv_in.weight"),
        ("vae/diffusion_pytorch_model", "quant_conv.bias"),
        ("text_encoder/model", "final_layer_norm.bias"),
    ],
)
def test_weights_that_are_missing_or_misshapen_are_named(
    folder: Path, tmp_path: Path, part: str, name: str
) -> None:
    path = shutil.copytree(folder, tmp_path / "copy") / f"{part}.safetensors"
    weights = load_file(path)
    (name,) = (key for key in weights if f".{key}".endswith(f".{name}"))
    for less in ({name: weights[name][:3].clone()}, {}):
        kept = {key: values for key, values in weights.items() if key != name}
        save_file(kept | less, path, metadata={"format": "pt"})
        with pytest.raises(WeightsError, match=rf"found 1 missing .* such as {name}"):
            run(load_diffusion(tmp_path / "copy"))


def test_what_only_the_decoder_needs_may_be_missing(
    folder: Path, provider: AttentionProvider, tmp_path: Path
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    path = copy / "vae/diffusion_pytorch_model.safetensors"
    kept = {k: v for k, v in load_file(path).items() if not k.startswith("decoder.")}
    save_file(kept, path, metadata={"format": "pt"})
    assert same(asked(run(load_diffusion(copy, ALL, dtype="float32"))), asked(provider))


def test_damaged_files_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    path = copy / UNET
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(WeightsError, match=r"weights of a UNet2DConditionModel in .*unet"):
        run(load_diffusion(copy))
    shutil.copy(folder / UNET, path)
    (copy / "tokenizer/vocab.json").write_text('{"a": 99, "<|endoftext|>": 1}')
    with pytest.raises(WeightsError, match=r"in .*tokenizer"):
        run(load_diffusion(copy))


def test_without_diffusers_the_extra_is_named(many_heads: Path) -> None:
    script = (
        "import sys; sys.modules['diffusers'] = None\n"
        "from pathlib import Path\n"
        "from napari_firstpass.diffusion.provider import load_diffusion\n"
        "from napari_firstpass.progress import run\n"
        "run(load_diffusion(Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(many_heads)], capture_output=True, text=True, check=False
    )
    assert 'pip install "napari-firstpass[diffusion]"' in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"self_at": (3,)}, "self_at out of 1, 2, 4, 8"),
        ({"self_at": (), "cross_at": (), "layers": ()}, "a resolution or a layer to keep"),
        ({"stress": -1.0}, "stress in"),
        ({"stress": float("nan")}, "stress in"),
        ({"timestep": -1}, "a timestep of 0 or more"),
        ({"seed": 2**32}, "a seed in"),
        ({"per_head": "all"}, "per_head a kind"),
        ({"self_heads": (-1,)}, "heads from 0 on"),
        ({"memory": "huge"}, "memory auto or tiny"),
        ({"stored": "int8"}, "stored float32 or float16"),
    ],
)
def test_settings_out_of_their_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        AttentionConfig(**options)


def test_settings_that_a_network_cannot_fulfil_are_refused(provider: AttentionProvider) -> None:
    for options, message in (
        ({"timestep": 1000}, "a timestep from 0 to 999, found 1000"),
        ({"layers": ("up_blocks.9.*",)}, "a layer such as down_blocks.0"),
    ):
        with pytest.raises(OptionError, match=message):
            replace(provider, config=AttentionConfig(**options))


def test_a_resolution_that_a_smaller_network_lacks_is_refused(tmp_path: Path) -> None:
    blocks = {
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "block_out_channels": (8, 16),
    }
    small = save_diffusion(tmp_path / "small", **blocks)
    with pytest.raises(OptionError, match=r"self-attention at a resolution out of \[1, 2\]"):
        run(load_diffusion(small))
    found = run(load_diffusion(small, AttentionConfig(self_at=(1, 2)), dtype="float32"))
    assert found.step == 16
    assert run(found.attend(PICTURE[:, :112, :])).latent == (14, 24)


def test_a_cpu_computes_no_half_numbers(folder: Path) -> None:
    with pytest.raises(OptionError, match="found float16; choose auto, float32 or bfloat16"):
        run(load_diffusion(folder, dtype="float16"))
    with pytest.raises(OptionError, match="a dtype out of auto"):
        run(load_diffusion(folder, dtype="int8"))  # type: ignore[arg-type]


def test_short_numbers_give_whole_shares(folder: Path) -> None:
    short = run(load_diffusion(folder, ALL, dtype="bfloat16"))
    assert short.model.unet.dtype == torch.bfloat16
    assert short.model.vae.dtype == torch.float32
    for layer in asked(short).maps:
        ones = torch.ones(len(layer.weights))
        torch.testing.assert_close(layer.weights.sum(1), ones, atol=1e-6, rtol=0)


def test_numbers_that_overflow_are_an_error(folder: Path) -> None:
    broken = run(load_diffusion(folder, ALL, dtype="float32"))
    with torch.no_grad():
        broken.model.unet.conv_in.bias.fill_(torch.inf)
    with pytest.raises(ComputeError, match=r"expected finite attention.*dtype float32"):
        asked(broken)


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import torch
from napari_firstpass.diffusion.provider import AttentionConfig, load_diffusion
from napari_firstpass.errors import ComputeError
from napari_firstpass.progress import run

torch.set_num_threads(1)
config = AttentionConfig(self_at=(), layers=("down_blocks.0.attentions.0.*attn1",))
provider = run(load_diffusion(Path(sys.argv[1]), config, dtype="float32"))
picture = torch.rand(3, 512, 512, generator=torch.Generator().manual_seed(0))
expected = run(provider.attend(picture)).maps[0].weights[::64].clone()

def try_with(spare):
    steps = provider.attend(picture)
    next(steps), next(steps), next(steps)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + spare * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        found = run(steps, lambda progress: print(progress.message))
    except ComputeError as error:
        print("ComputeError:", error)
    else:
        torch.testing.assert_close(found.maps[0].weights[::64], expected, atol=1e-6, rtol=0)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)

for spare in sys.argv[2:]:
    try_with(int(spare))
    print("---")
"""


@pytest.fixture(scope="module")
def many_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight heads: their shares are 512 MiB, twice over; their mean is 64 MiB."""
    path = tmp_path_factory.mktemp("diffusion") / "heads"
    return save_diffusion(path, attention_head_dim=8)


@pytest.fixture(scope="module")
def said(many_heads: Path) -> list[str]:
    """What is said of 4096 × 4096 shares where a process may not have more than some more MiB."""
    return said_when_short(SHORT_OF_MEMORY, many_heads, "350", "50", timeout=200)


@needs_limits
def test_where_memory_is_short_attention_is_computed_in_parts(
    said: list[str],
) -> None:
    assert "attention of 1 layers, in parts: memory is short" in said[0]
    assert ComputeError.__name__ not in said[0]


@needs_limits
def test_too_little_memory_for_parts_is_one_sentence(said: list[str]) -> None:
    last = said[1].splitlines()[-1]
    assert last.startswith(f"{ComputeError.__name__}: expected enough memory for one picture")
    assert "choose a smaller picture" in last


@needs_gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_gpu_says_the_same(folder: Path, provider: AttentionProvider, dtype: str) -> None:
    gpu = run(load_diffusion(folder, ALL, torch.device("cuda"), dtype))
    for layer, other in zip(asked(gpu).maps, asked(provider).maps, strict=True):
        assert layer.weights.device.type == "cuda"
        sums = layer.weights.sum(1).cpu()
        torch.testing.assert_close(sums, torch.ones(len(sums)), atol=1e-5, rtol=0)
        if dtype == "float32":
            torch.testing.assert_close(layer.weights.cpu(), other.weights, atol=1e-2, rtol=0)
    tiny = asked(gpu, memory="tiny")
    assert tiny.maps[0].weights.device.type == "cpu"
    assert gpu.model.vae.device.type == "cpu"
