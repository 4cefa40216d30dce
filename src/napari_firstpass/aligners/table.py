"""Classes that become what a table says, or else what has the same name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.alignment import Decision
from napari_firstpass.class_lookup import ClassLookup
from napari_firstpass.name_table import Resolved, common_names
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_firstpass.aligning import AlignConfig, AlignJob
    from napari_firstpass.alignment import Reason
    from napari_firstpass.name_table import NameTable


@dataclass(frozen=True, slots=True)
class TableAligner:
    """Gives every class what stands beside it; what stands nowhere is not guessed.

    Attributes
    ----------
    table : NameTable or None
        None for common names.
    """

    table: NameTable | None

    def prepared(self, job: AlignJob) -> Steps[ClassLookup]:
        """Find the classes that the table names."""
        yield Progress(0, 1, "looking classes up")
        if self.table is None:
            said = Resolved(common_names(job.source, job.target))
        else:
            said = self.table.resolved(job.source, job.target)
        reason: Reason = "name" if self.table is None else "table"
        decisions = tuple(
            _decision(number, job, source, said, reason)
            for number, source in enumerate(job.held, start=1)
        )
        return ClassLookup(decisions, job.target.max_id, {"not_in_labels": list(said.unused)})


def table_aligner(config: AlignConfig) -> TableAligner:
    """Return what aligns by a table; see `AlignConfig`."""
    return TableAligner(config.table)


def _decision(number: int, job: AlignJob, source: int, said: Resolved, reason: Reason) -> Decision:
    pixels = job.counts[source]
    if source in said.targets:
        return Decision(number, source, said.targets[source], pixels, 1.0, reason)
    if said.default is not None:
        return Decision(number, source, said.default, pixels, 1.0, "default")
    return Decision(number, source, 0, pixels, 0.0, "unknown")
