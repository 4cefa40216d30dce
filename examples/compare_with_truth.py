"""How well clusters fit known classes, when each cluster is named after its most frequent class."""

from __future__ import annotations

from napari_firstpass.api import segment_source_steps
from napari_firstpass.config import SegmentConfig
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import many_to_one_scores
from napari_firstpass.evaluation.overlap import Overlap
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource
from napari_firstpass.scenes import make_scene
from napari_firstpass.segmenters import SEGMENTERS


def main() -> None:
    """Print the accuracy of every method on the same made-up town."""
    scene = make_scene(256, 256, seed=1)
    truth = LabelImage.of(scene.truth.labels)
    for method in SEGMENTERS.names:
        config = SegmentConfig(method=method, classes=12)
        found = run(segment_source_steps(ArraySource(scene.raster), config, name="town"))
        scores = many_to_one_scores([Overlap.of(truth, LabelImage.of(found.labels))])
        print(f"{method}: {scores.accuracy:.1%} of pixels, mIoU {scores.miou:.2f}")


if __name__ == "__main__":
    main()
