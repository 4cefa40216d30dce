"""Classes named after places that somebody named: by the pixels they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.class_lookup import ClassLookup
from napari_firstpass.errors import ImageContentError, OptionError
from napari_firstpass.shared_pixels import paired, shared_pixels_steps

if TYPE_CHECKING:
    from napari_firstpass.aligning import AlignConfig, AlignJob, Match
    from napari_firstpass.progress import Steps


@dataclass(frozen=True, slots=True)
class ReferenceAligner:
    """Gives every class the name that most of the named pixels on it have.

    Attributes
    ----------
    match : Match
        Whether several classes may get one name.
    """

    match: Match

    def prepared(self, job: AlignJob) -> Steps[ClassLookup]:
        """Compare the labels with the reference."""
        if job.hints is None:
            raise OptionError(
                expected="a reference: places whose classes are named",
                found="none",
                remedy="give a label file of some of them (--reference), or use another way",
            )
        shared = yield from shared_pixels_steps(job, job.hints)
        if not shared.any():
            raise ImageContentError(
                expected="a reference that lies on labelled pixels",
                found="not one pixel with both",
                remedy="name places that have labels",
            )
        return ClassLookup(paired(shared, job, self.match), job.target.max_id)


def reference_aligner(config: AlignConfig) -> ReferenceAligner:
    """Return what aligns by a reference; see `AlignConfig`."""
    return ReferenceAligner(config.match)
