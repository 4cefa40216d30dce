"""Which ids make a class: several of a truth may be one in a protocol."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.evaluation.label_image import LabelImage, Numbering, strips

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Merges ids into named classes, which are numbered from 0 in the order of ``names``.

    Attributes
    ----------
    names : tuple of str
        The classes.
    truth, pred : mapping of int to int
        Id in a truth, or in a prediction whose ids have meaning, to number of the class.
    """

    names: tuple[str, ...]
    truth: Mapping[int, int]
    pred: Mapping[int, int]

    @classmethod
    def parse(cls, content: object) -> ClassTable:
        """Make a table from what a YAML file holds.

        ``{"building": [0, 1], "vegetation": 2}`` says which ids make a class. Where a prediction
        has other ids than the truth, there is one such list under ``truth`` and one under
        ``pred``, with the same names.

        Raises
        ------
        TaxonomyError
            If it is no such table, or gives an id to two classes.
        """
        if not isinstance(content, dict) or not content:
            raise _malformed(type(content).__name__)
        if not set(content) <= {"truth", "pred"}:
            content = {"truth": content}
        lists = {part: _listed(part, content[part]) for part in content}
        truth = lists.get("truth")
        if truth is None:
            raise _malformed("no list of the truth's classes")
        pred = lists.get("pred", truth)
        if surplus := set(pred) - set(truth):
            raise _malformed(f"the class {min(surplus)!r} for predictions only")
        names = tuple(truth)
        return cls(names, _numbers(truth, names), _numbers(pred, names))

    def of_truth(self, labels: LabelImage) -> LabelImage:
        """Return the classes of a truth.

        Raises
        ------
        TaxonomyError
            If a valid pixel has an id that is not in the table.
        """
        return _merged(labels, self.truth, "truth")

    def of_prediction(self, labels: LabelImage) -> LabelImage:
        """Return the classes of a prediction whose ids have meaning; raises as `of_truth`."""
        return _merged(labels, self.pred, "prediction")


def _listed(part: str, content: object) -> dict[str, list[int]]:
    """Return the ids of each class, checked."""
    if not isinstance(content, dict) or not content:
        raise _malformed(f"{part}: {content!r}")
    listed: dict[str, list[int]] = {}
    for name, ids in content.items():
        ids = ids if isinstance(ids, list) else [ids]
        if not ids or not all(type(i) is int and i >= 0 for i in ids):
            raise _malformed(f"{name}: {ids!r}")
        listed[str(name)] = ids
    counts = Counter(i for ids in listed.values() for i in ids)
    if repeated := [i for i, count in counts.items() if count > 1]:
        raise TaxonomyError(
            expected="a table in which every id belongs to one class",
            found=f"id {min(repeated)} more than once",
            remedy="remove it from all but one",
        )
    return listed


def _malformed(found: str) -> TaxonomyError:
    return TaxonomyError(
        expected="a table of class names with their ids, such as `building: [0, 1]`",
        found=found,
        remedy="write one line for each class",
    )


def _numbers(listed: Mapping[str, list[int]], names: tuple[str, ...]) -> dict[int, int]:
    number = {name: place for place, name in enumerate(names)}
    return {i: number[name] for name, ids in listed.items() for i in ids}


def _merged(labels: LabelImage, table: Mapping[int, int], what: str) -> LabelImage:
    numbering = Numbering(labels)
    missing = [i for i in numbering.ids.tolist() if i not in table]
    if missing:
        raise TaxonomyError(
            expected=f"a {what} whose ids are all in the table",
            found=f"ids {', '.join(map(str, missing[:8]))}",
            remedy="add them to a class, or name them to be ignored",
        )
    # One more entry, for pixels that are not valid: their index is the last.
    classes = np.array([*(table[i] for i in numbering.ids.tolist()), 0], dtype=np.int32)
    merged = np.empty(labels.shape, np.int32)
    for rows in strips(len(merged)):
        merged[rows] = classes[numbering.index(rows)]
    return LabelImage(merged, labels.valid)
