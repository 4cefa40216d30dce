"""An image that a Segment Anything model has looked at, and its answers to prompts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass.errors import PromptError
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.prompts import Answer
from napari_firstpass.sam_models.embedding_file import pack_embedding, unpack_embedding
from napari_firstpass.sam_models.frame import Frame
from napari_firstpass.sam_models.marks import Marks, questions_of
from napari_firstpass.sam_models.watching import watched_steps

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.progress import Steps
    from napari_firstpass.prompts import Prompt
    from napari_firstpass.sam_models.marks import Question
    from napari_firstpass.sam_models.model import SamModel
    from napari_firstpass.sam_models.source import SamSource

_FORMAT = 1
"""To be raised when the same key would mean another embedding, or another file."""


@dataclass(frozen=True, slots=True, eq=False)
class SamImage:
    """An image that a model has looked at; a `PreparedImage`.

    Attributes
    ----------
    model : SamModel
        The model.
    embedding : tuple of tensors
        All that it keeps of the image, on the device.
    frame : Frame
        Where the image lies in the model's picture.
    valid : (H, W) bool tensor
        Where there is data; on the CPU.
    device : torch.device
        Where to compute.
    picture_sha256 : str
        Hash of the image that it was made of; see `require_same`.
    """

    model: SamModel
    embedding: tuple[Tensor, ...]
    frame: Frame
    valid: Tensor
    device: torch.device
    picture_sha256: str

    def require_same(self, picture: Tensor) -> None:
        """Make sure that an image is the one that the model has looked at.

        Parameters
        ----------
        picture : (3, H, W) float32 tensor
            In [0, 1].

        Raises
        ------
        PromptError
            If it is another, or was edited since.
        """
        if picture_sha256(picture) != self.picture_sha256:
            raise PromptError(
                expected="prompts for the image that the network has looked at",
                found="another image, or one that was edited since",
                remedy="let it look again",
            )

    def answer(self, prompt: Prompt) -> Steps[Answer]:
        """Return three candidates for what is pointed at, the best first; see `PreparedImage`.

        Of several boxes, the best candidates of each are joined, then the second ones, and so on;
        the score is their mean.

        Raises
        ------
        PromptError
            If the prompt lies outside the image or on pixels without data, or holds words.
        GridMismatchError
            If its start has another size than the image.
        """
        asked = questions_of(prompt, self.frame, self.valid, self.model.start_side)
        masks, scores = [], []
        for number, question in enumerate(asked):
            yield Progress(number, len(asked), "asking the network")
            found, rated = self._candidates(question)
            masks.append(found)
            scores.append(rated)
        joined = torch.stack(masks).any(0) & self.valid
        return Answer(joined, torch.stack(scores).mean(0))

    def ask(self, marks: Marks) -> tuple[Tensor, Tensor]:
        """Return logits (B, N, h, w) and scores (B, N) of B questions, on the device."""
        self.model.to(self.device)
        moved = Marks(
            marks.places.to(self.device),
            marks.labels.to(self.device),
            None if marks.boxes is None else marks.boxes.to(self.device),
            None if marks.start is None else marks.start.to(self.device),
        )
        logits, scores = self.model.candidates(self.embedding, moved)
        return logits, scores.nan_to_num(0.0).clamp(0, 1)

    def _candidates(self, question: Question) -> tuple[Tensor, Tensor]:
        """Return masks (N, H, W) and scores (N,) on the CPU, the best first."""
        logits, scores = self.ask(question.marks)
        order = torch.argsort(scores[0], descending=True, stable=True)
        found = (self.frame.logits(logits[0, order]) > 0).cpu()
        masks = torch.zeros_like(found)
        masks[:, question.rows, question.cols] = found[:, question.rows, question.cols]
        return masks, scores[0, order].cpu()


def prepare_steps(
    source: SamSource,
    picture: Tensor,
    valid: Tensor,
    device: torch.device,
    cache: FeatureCache | None,
) -> Steps[SamImage]:
    """Look at an image, or find on disk what was seen of it.

    Parameters
    ----------
    source : SamSource
        The model.
    picture : (3, H, W) float32 tensor
        The image in [0, 1].
    valid : (H, W) bool tensor
        Where there is data.
    device : torch.device
        Where to compute.
    cache : FeatureCache or None
        Where to keep embeddings.

    Raises
    ------
    WeightsError
        If the weights are damaged or of another kind.
    """
    model = yield from relay(source.model(), Span(0, 3, 10))
    height, width = picture.shape[1:]
    frame = Frame(height, width, model.side, model.keeps_ratio)
    digest = picture_sha256(picture)
    key = ""
    if cache is not None:
        weights = yield from relay(source.sha256(), Span(3, 4, 10), "reading the weights")
        key = _key(model, weights, digest, device)
    yield Progress(4, 10, "looking at the image")
    known = cache.load(key, lambda content: unpack_embedding(content, key)) if cache else None
    embedding = known
    if embedding is None:
        looking = _look(model, frame, picture, device)
        embedding = yield from relay(looking, Span(4, 10, 10))
    if cache is not None and known is None:
        cache.store(key, lambda: pack_embedding(embedding, key))
    on_device = tuple(one.to(device) for one in embedding)
    return SamImage(model, on_device, frame, valid.cpu(), device, digest)


def picture_sha256(picture: Tensor) -> str:
    """Return the hash of an image (3, H, W): its size and the bytes of its float32 pixels."""
    digest = sha256(json.dumps(list(picture.shape)).encode())
    for band in picture:
        pixels = np.ascontiguousarray(band.detach().cpu().numpy().astype(np.float32))
        digest.update(pixels.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _look(
    model: SamModel, frame: Frame, picture: Tensor, device: torch.device
) -> Steps[tuple[Tensor, ...]]:
    model.to(device)
    shown = frame.picture(picture.to(device).float(), model.scaling)
    return watched_steps(model.encoder, partial(model.embed, shown), "looking at the image")


def _key(model: SamModel, weights: str, digest: str, device: torch.device) -> str:
    """Return the hash of all that an embedding depends on, in 64 digits."""
    said = {
        "format": _FORMAT,
        "what": "embedding of a Segment Anything model",
        "versions": [version("napari-firstpass"), version("torch"), *model.versions],
        "weights": weights,
        "scaling": [model.scaling.mean, model.scaling.std],
        "device": device.type,
        "picture": digest,
    }
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
