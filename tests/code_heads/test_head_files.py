"""Checkpoints are opened for their tensors alone; whatever else is in them is never run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import torch
from heads import head_module, lightning, nested, probe_of, stego, write_checkpoint

from napari_firstpass.code_heads import head_of
from napari_firstpass.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable

MODULE, PROBE = head_module(12, 5), probe_of(3, 5)


def whole() -> dict[str, Any]:
    return lightning(MODULE, PROBE)


def half() -> dict[str, Any]:
    tensors = {name: part.half() for name, part in stego(MODULE, PROBE).items()}
    return {"state_dict": tensors}


def test_the_same_head_is_found_in_every_format(tmp_path: Path) -> None:
    files = [
        write_checkpoint(tmp_path / "a.ckpt", whole()),
        write_checkpoint(tmp_path / "a.pt", stego(MODULE, PROBE)),
        write_checkpoint(tmp_path / "a.pth", nested(MODULE, PROBE)),
        write_checkpoint(tmp_path / "a.safetensors", whole()),
    ]
    old = tmp_path / "old.ckpt"
    torch.save(whole(), old, _use_new_zipfile_serialization=False)
    found = [head_of(str(file)) for file in (*files, old)]
    assert len({head.sha256 for head in found if head is not None}) == 1
    first = found[0]
    assert first is not None
    assert (first.name, first.head.features, first.head.width) == ("a.ckpt", 12, 5)
    assert first.centres is not None
    assert torch.equal(first.centres, PROBE)


def test_numbers_become_32_bit_and_need_no_gradient(tmp_path: Path) -> None:
    trained = {"state_dict": dict(MODULE.named_parameters(prefix="net"))}
    for name, content in (("half.ckpt", half()), ("trained.ckpt", trained)):
        found = head_of(str(write_checkpoint(tmp_path / name, content)))
        assert found is not None
        assert {part.dtype for part in found.head.tensors.values()} == {torch.float32}
        assert not any(part.requires_grad for part in found.head.tensors.values())


def test_none_is_none_and_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    assert head_of("none") is None
    file = write_checkpoint(tmp_path / "a.ckpt", whole())
    before = head_of(str(file))
    write_checkpoint(file, lightning(head_module(13, 5), PROBE))
    after = head_of(str(file))
    assert before is not None
    assert after is not None
    assert (before.head.features, after.head.features) == (12, 13)


@pytest.mark.parametrize("name", ["missing.ckpt", "folder.ckpt", "a.txt", "bad\0name.ckpt"])
def test_what_is_no_checkpoint_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.ckpt").mkdir()
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(WeightsError, match="found no such file; check the path"):
        head_of(str(tmp_path / name))


@pytest.mark.parametrize("name", ["a.ckpt", "a.safetensors"])
def test_a_file_cut_off_is_refused(name: str, tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / name, whole())
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(WeightsError, match="get the file again"):
        head_of(str(file))


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3)])
def test_what_is_no_table_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=f"found a {type(content).__name__}; give another"):
        head_of(str(tmp_path / "a.pt"))


def test_a_table_that_holds_itself_comes_to_an_end(tmp_path: Path) -> None:
    content = whole()
    content["state_dict"]["again"] = content
    assert head_of(str(write_checkpoint(tmp_path / "a.ckpt", content))) is not None


class _Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    content = {**whole(), "hyper_parameters": _Harm(trace)}
    file = write_checkpoint(tmp_path / "stego.ckpt", content)
    with pytest.raises(WeightsError, match=r"among them, which is not opened: it may run code"):
        head_of(str(file))
    assert not trace.exists()
    # Otherwise this would prove nothing.
    torch.load(file, weights_only=False)
    assert trace.exists()


@pytest.fixture
def options_module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], type[Any]]:
    """Make a class under a name, in a module that may be imported while the test runs."""

    def made(module: str, name: str) -> type[Any]:
        kind = type(name, (), {"__module__": module, "__qualname__": name})
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            path = ".".join(parts[:end])
            monkeypatch.setitem(sys.modules, path, sys.modules.get(path) or ModuleType(path))
        monkeypatch.setattr(sys.modules[module], name, kind, raising=False)
        return kind

    return made


def test_options_of_lightning_are_passed_over_unopened(
    options_module: Callable[[str, str], type[Any]], tmp_path: Path
) -> None:
    opened: list[object] = []
    options = options_module("omegaconf.dictconfig", "DictConfig")
    options.__setstate__ = lambda _, state: opened.append(state)
    kept = options()
    kept.content = {"dim": 70, "kind": dict}
    callbacks = options_module("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    file = write_checkpoint(
        tmp_path / "stego.ckpt",
        {**whole(), "hyper_parameters": {"cfg": kept}, "callbacks": {callbacks: {"best": "x"}}},
    )
    found = head_of(str(file))
    assert found is not None
    assert torch.equal(found.head.direct, MODULE.cluster1[0].weight.detach().flatten(1))
    assert opened == []
    # Otherwise this would prove nothing.
    torch.load(file, weights_only=False)
    assert opened == [{"content": {"dim": 70, "kind": dict}}]
    assert "omegaconf" not in str(torch.serialization.get_safe_globals())


def test_other_objects_are_refused_with_a_way_out(
    options_module: Callable[[str, str], type[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = options_module("somebody.options", "Options")
    file = write_checkpoint(tmp_path / "stego.ckpt", {**whole(), "options": other()})
    with pytest.raises(
        WeightsError, match=r"found somebody\.options\.Options among them"
    ) as caught:
        head_of(str(file))
    said = re.search(r'python -c "(.*)" and give the new file', str(caught.value))
    assert said is not None
    monkeypatch.chdir(tmp_path)
    exec(said[1], {})  # noqa: S102 - that the command works is what is tested
    found = head_of(str(tmp_path / "stego.safetensors"))
    expected = head_of(str(write_checkpoint(tmp_path / "plain.ckpt", whole())))
    assert found is not None
    assert expected is not None
    assert found.sha256 == expected.sha256
