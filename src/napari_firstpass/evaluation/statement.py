"""What must be known to read a figure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NOT_STATED = "not stated"


class Protocol(StrEnum):
    """Rules of comparison; figures of different ones are not comparable."""

    SET = "set"
    IMAGE = "image"
    NAMED = "named"
    REGIONS = "regions"
    MERGE = "merge"

    @property
    def rule(self) -> str:
        """What it does, in words."""
        return _RULES[self]

    @property
    def labels_used(self) -> str:
        """What the truth was used for beside judging."""
        return _LABELS_USED[self]


_RULES = {
    Protocol.SET: "one matching of clusters with classes, by pixels, for the whole set",
    Protocol.IMAGE: "one matching of clusters with classes, by pixels, for each image",
    Protocol.NAMED: "predicted ids are class ids, nothing is matched",
    Protocol.REGIONS: "regions without names are compared with the truth's",
    Protocol.MERGE: "an oracle merges every segment into the truth region of highest IoU, so that "
    "more segments give higher figures",
}

_LABELS_USED = {
    Protocol.SET: "to name the clusters of the set",
    Protocol.IMAGE: "to name the clusters of each image",
    Protocol.NAMED: "for nothing",
    Protocol.REGIONS: "for nothing",
    Protocol.MERGE: "to merge the segments of each image",
}

MANY_TO_ONE_RULE = (
    "every cluster takes the class that it shares most pixels with over the whole set, so that "
    "more clusters give higher figures"
)
"""What `Protocol.SET` adds where there are more clusters than classes."""

DFC_RULE = (
    "every truth region takes the predicted connected piece of highest IoU, averaged over the "
    "regions of all images together"
)
"""What `Protocol.REGIONS` adds, to compare with papers."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What goes with every figure.

    Attributes
    ----------
    title : str
        Name of the protocol.
    rule : str
        How figures come about, in words.
    labels_used : str
        What the truth was used for beside judging.
    images : int
        Number of images judged.
    ignored : tuple of int
        Ids of the truth that were left out, beside its no data.
    split : str
        Which part of a data set the images are.
    selection : str
        Whether labels helped to choose what is judged: a method, a seed, a checkpoint.
    changes : tuple of str
        What was done to the labels before they were compared.
    """

    title: str
    rule: str
    labels_used: str
    images: int
    ignored: tuple[int, ...] = ()
    split: str = NOT_STATED
    selection: str = NOT_STATED
    changes: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """All of it, in order."""
        ids = f"ids {', '.join(map(str, self.ignored))} and no data" if self.ignored else "no data"
        return (
            f"{self.title}: {self.rule}",
            f"images {self.images}",
            f"split {self.split}",
            f"ignored in the truth: {ids}",
            f"labels used {self.labels_used}",
            f"labels used to select: {self.selection}",
            *self.changes,
        )

    def sentence(self) -> str:
        """Return all of it as one line."""
        return "; ".join(self.parts)
