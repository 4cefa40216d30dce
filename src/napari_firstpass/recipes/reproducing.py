"""A published recipe from its images to figures and a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass.backbones import BACKBONES, backbone_factory
from napari_firstpass.cached_backbone import identity_of
from napari_firstpass.config import SegmentConfig, check_number
from napari_firstpass.describing import device_of
from napari_firstpass.errors import OptionError
from napari_firstpass.evaluation.statement import Protocol, Statement
from napari_firstpass.feature_scaling import FeatureScaler
from napari_firstpass.fitting import SetModel, shown_references
from napari_firstpass.imagery import Imagery
from napari_firstpass.io.potsdam import UNKNOWN, PotsdamSet, potsdam_steps
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.vision import load_model
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.projection import ProjectedModel
from napari_firstpass.provenance import Provenance
from napari_firstpass.recipes.em_training import EMTraining
from napari_firstpass.recipes.feature_store import (
    PLAIN_STRETCH,
    Cells,
    FeatureStore,
    Keeping,
    Room,
    WholeBackbone,
)
from napari_firstpass.recipes.judging import POTSDAM3, Judge, Judged
from napari_firstpass.recipes.pictures import fitted
from napari_firstpass.recipes.presets import CLASSES, Recipe, whole_side
from napari_firstpass.segmenters.smooseg import Look, SmooSegConfig, SmooSegSegmenter
from napari_firstpass.taxonomy import numbered_taxonomy
from napari_firstpass.weights.folder import find

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_firstpass.config import Device
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.io.potsdam import Patch
    from napari_firstpass.linear_model import LinearModel
    from napari_firstpass.networks.vision import VisionModel
    from napari_firstpass.segmenters.primaps_em import EMConfig

_MEMORY = 2**30
"""Bytes of features that are held at most."""
_SOME = 64
"""Pictures out of which cells are drawn to order classes by frequency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceOptions:
    """What may be chosen beside a recipe; as published by default, but for the step that is taken.

    Attributes
    ----------
    steps : int or None
        Steps of training; None for as many as published.
    seed : int
        Drives every random choice but the split.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    test_side : int or None
        Side of pictures in the test; None for that of the recipe.
    flip : bool
        Whether the test averages with the mirrored picture.
    crf : bool
        Whether a dense CRF follows colours in the test.
    oracle : bool
        Whether labels choose the step, as in the papers; else the last is taken.
    cache : FeatureCache or None
        Where features and masks are kept.
    """

    steps: int | None = None
    seed: int = 0
    device: Device = "auto"
    test_side: int | None = None
    flip: bool = True
    crf: bool = True
    oracle: bool = False
    cache: FeatureCache | None = None

    def __post_init__(self) -> None:
        if self.steps is not None:
            check_number("steps", self.steps, 1, 10**6)
        if self.test_side is not None:
            check_number("test_side", self.test_side, 64, 2048)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came out.

    Attributes
    ----------
    recipe : Recipe
        As it was run.
    model : SetModel
        The classes; an ordinary model of a set.
    judged : Judged
        The figures.
    statement : Statement
        What must be known to read them.
    published : tuple of 2 float, or None
        Accuracy and mIoU of the paper for such a network, if it tells them.
    facts : mapping of str to value
        The same and more for a program: resolutions, switches, the step that was taken.
    """

    recipe: Recipe
    model: SetModel
    judged: Judged
    statement: Statement
    published: tuple[float, float] | None
    facts: Mapping[str, object]


def reproduce_steps(
    folder: str | os.PathLike[str],
    backbone: str,
    recipe: Recipe,
    options: ReproduceOptions = ReproduceOptions(),
) -> Steps[Reproduction]:
    """Run a recipe on the images in a folder.

    Parameters
    ----------
    folder : path
        Patches or tiles of Potsdam; see `potsdam_steps`.
    backbone : str
        A network: its folder, or a name of ``firstpass models list``.
    recipe : Recipe
        One of `RECIPES`.
    options : ReproduceOptions
        What else there is to say.

    Raises
    ------
    FirstPassError
        `ImageReadError` or `ImageContentError` for images or labels that are missing, or of other
        kinds or sizes; `WeightsError` or `OptionError` for a network that is missing or none;
        `DivergedError` or `ComputeError` where the training fails.
    """
    config = SegmentConfig(
        method=recipe.method,
        backbone=backbone,
        classes=CLASSES,
        seed=options.seed,
        device=options.device,
    )
    images = yield from relay(potsdam_steps(Path(folder)), Span(0, 2, 100))
    loading = _network(config, options)
    network = yield from relay(loading, Span(2, 3, 100))
    recipe = recipe.for_patch(network.model.patch).shortened(options.steps)
    run = _Run(recipe, images, network, options)
    yield from relay(run.judge.check_steps(), Span(3, 4, 100))
    classes = yield from relay(run.train(), Span(4, 80, 100))
    judged = yield from relay(run.judge.steps(classes, crf=options.crf), Span(80, 100, 100))
    facts, statement = run.facts(judged), run.statement(judged, _width(classes))
    published = recipe.published.get((network.model.patch, _width(classes)))
    model = run.set_model(classes, config, facts)
    return Reproduction(recipe, model, judged, statement, published, facts)


@dataclass(frozen=True, slots=True)
class _Network:
    """A network that looks at whole pictures, its hash, and where its features may be kept."""

    seeing: WholeBackbone
    sha256: str
    keeping: Keeping

    @property
    def model(self) -> VisionModel:
        return self.seeing.model


def _network(config: SegmentConfig, options: ReproduceOptions) -> Steps[_Network]:
    if config.backbone in BACKBONES.names:
        raise OptionError(
            expected="the folder of a network, such as --backbone ./dino-vitb8",
            found=f"the backbone {config.backbone}",
            remedy="name a network: the recipes are made for those",
        )
    yield Progress(0, 2, "checking the weights")
    backbone_factory(config.backbone)
    folder = VisionFolder(find(config.backbone))
    sha256 = folder.sha256()
    yield Progress(1, 2, "loading the weights")
    seeing = WholeBackbone(load_model(folder), device_of(config))
    identity = identity_of("whole", sha256, {"transformers": version("transformers")})
    limit = options.cache.limit() if options.cache is not None else 0
    keeping = Keeping(identity, options.cache, Room(_MEMORY), Room(limit))
    return _Network(seeing, sha256, keeping)


@dataclass(slots=True)
class _Run:
    """A recipe under way."""

    recipe: Recipe
    images: PotsdamSet
    network: _Network
    options: ReproduceOptions
    judge: Judge = field(init=False)
    best: _Best | None = None
    kept: str = ""

    def __post_init__(self) -> None:
        side = whole_side(self.options.test_side or self.recipe.test_side, self.network.model.patch)
        test = self.images.test
        plain = self._store(test, side, mirror=False)
        mirrored = self._store(test, side, mirror=True) if self.options.flip else None
        self.judge = Judge(test, plain, mirrored, side)

    def train(self) -> Steps[ProjectedModel | LinearModel]:
        """Return the classes of the last step, or of the one that labels chose."""
        look = Look(self.recipe.look_every, self._look) if self.options.oracle else None
        last: ProjectedModel | LinearModel
        if isinstance(self.recipe.training, SmooSegConfig):
            last = yield from self._smooseg(self.recipe.training, look)
        else:
            last = yield from self._primaps_em(self.recipe.training, look)
        # A run shorter than that has nothing to choose from.
        return last if self.best is None else self.best.classes

    def _smooseg(self, training: SmooSegConfig, look: Look | None) -> Steps[ProjectedModel]:
        store = self._store(self.images.train, self._train_side, mirror=False)
        yield from relay(store.fill_steps(), Span(0, 60, 100))
        every = -(-len(store) // _SOME)
        some = [store[index].flatten(1).T for index in range(0, len(store), every)]
        segmenter = SmooSegSegmenter(classes=CLASSES, seed=self.options.seed, config=training)
        fitting = segmenter.fit_cells(Cells(store), torch.cat(some), look)
        classes = yield from relay(fitting, Span(60, 100, 100))
        self.kept = store.kept
        return classes

    def _primaps_em(self, config: EMConfig, look: Look | None) -> Steps[LinearModel]:
        plain, mirrored = (
            self._store(self.images.train, self._train_side, mirror=mirror)
            for mirror in (False, True)
        )
        training = EMTraining(plain, mirrored, CLASSES, self.options.seed, config, look)
        classes = yield from training.steps()
        self.kept = plain.kept
        return classes

    @property
    def _train_side(self) -> int:
        return whole_side(self.recipe.train_side, self.network.model.patch)

    def _store(self, patches: tuple[Patch, ...], side: int, *, mirror: bool) -> FeatureStore:
        picture = partial(_picture, patches, side, self.recipe, mirror)
        own = self.network.seeing, self.network.keeping
        return FeatureStore(len(patches), picture, patches[0].roles, *own)

    def _look(self, step: int, classes: ProjectedModel | LinearModel) -> Steps[None]:
        """Judge by labels, without the CRF, and keep the best."""
        judged = yield from self.judge.steps(classes, crf=False)
        if self.best is None or judged.scores.miou > self.best.miou:
            self.best = _Best(step, judged.scores.miou, classes)

    @property
    def _selection(self) -> str:
        last = f"the classes of the last step, {self.recipe.training.steps}"
        if not self.options.oracle:
            return f"no; {last}"
        if self.best is None:
            return f"oracle selection, but no step was looked at; {last}"
        return (
            f"oracle selection: labels chose step {self.best.step} of "
            f"{self.recipe.training.steps}, looked at every {self.recipe.look_every}"
        )

    def statement(self, judged: Judged, features: int) -> Statement:
        """Return what must be known to read the figures."""
        flip = "averaged with the mirrored picture" if self.options.flip else "no mirroring"
        crf = "dense CRF (permutohedral lattice, our own)" if self.options.crf else "no CRF"
        model, recipe = self.network.model, self.recipe
        network = f"network with patches of {model.patch} pixels and {features} numbers"
        if (model.patch, features) not in recipe.published:
            others = ", ".join(f"{p} and {n}" for p, n in recipe.published)
            network += f"; figures were published for {others}"
        trained, side = self._train_side, self.judge.side
        sides = f"trained at {trained} x {trained}, judged at {side} x {side}, both resized "
        sides += f"({recipe.resize})"
        notes = [f"{judged.unexpected} pixels with labels that mean nothing left out"]
        return Statement(
            Protocol.SET,
            Protocol.SET.rule,
            Protocol.SET.labels_used,
            judged.scores.images,
            ignored=(UNKNOWN,),
            split=f"{self.images.split}; {len(self.images.train)} images trained on without labels",
            selection=self._selection,
            changes=(
                f"ids merged into {', '.join(POTSDAM3.names)}",
                sides,
                f"{flip}; {crf}; seed {self.options.seed}; no supervised guide; 32-bit numbers",
                network,
                *(notes if judged.unexpected else ()),
            ),
        )

    def facts(self, judged: Judged) -> dict[str, object]:
        """Return what a program may want to know."""
        return {
            "preset": self.recipe.name,
            "split": self.images.split,
            "trained_on": len(self.images.train),
            "judged_on": judged.scores.images,
            "train_side": self._train_side,
            "test_side": self.judge.side,
            "flip": self.options.flip,
            "crf": "lattice" if self.options.crf else None,
            "steps": self.recipe.training.steps,
            "step_taken": self.best.step if self.best else self.recipe.training.steps,
            "oracle_selection": self.options.oracle,
            "unexpected_pixels": judged.unexpected,
            "features": self.kept,
        }

    def set_model(
        self,
        classes: ProjectedModel | LinearModel,
        config: SegmentConfig,
        facts: Mapping[str, object],
    ) -> SetModel:
        """Return the classes as a model of a set: its features are neither centred nor scaled."""
        features = _width(classes)
        told = {key: value for key, value in facts.items() if key != "features"}
        patches = self.images.train
        record = Provenance(
            config={
                "method": config.method,
                "classes": config.classes,
                "seed": config.seed,
                **shown_references(config),
                "bands": None,
                "recipe": told,
            },
            source=f"{len(patches)} images",
            weights_sha256=self.network.sha256,
        )
        return SetModel(
            stats=PLAIN_STRETCH,
            scaler=FeatureScaler(torch.zeros(features), torch.eye(features)),
            classes=classes,
            features=features / self.network.model.patch**2,
            config=config,
            taxonomy=numbered_taxonomy(CLASSES),
            imagery=Imagery(patches[0].roles, "uint8", self.images.metres),
            provenance=record,
        )


def _width(classes: ProjectedModel | LinearModel) -> int:
    """Return how many numbers a vector has."""
    own = classes.direct if isinstance(classes, ProjectedModel) else classes.directions
    return own.shape[1]


@dataclass(frozen=True, slots=True)
class _Best:
    """What labels liked best so far."""

    step: int
    miou: float
    classes: ProjectedModel | LinearModel


def _picture(
    patches: tuple[Patch, ...], side: int, recipe: Recipe, mirror: bool, index: int
) -> NDArray[np.uint8]:
    """Return a picture (3, side, side) by number, perhaps mirrored."""
    picture = fitted(patches[index].picture(), side, recipe.resize)
    return np.ascontiguousarray(picture[:, :, ::-1]) if mirror else picture
