"""The record of how labels came about: enough to make the same bytes again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_firstpass.errors import FirstPassError

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS = ("refined", "aligned", "prompted", "reassigned", "learned")
"""What may be done to labels that are there; a record has a list of each, of how it was done."""


class ProvenanceError(FirstPassError, ValueError):
    """A provenance record cannot be read."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a segmentation.

    There is no time stamp on purpose: the same input, config and seed must give the same bytes,
    and a file system keeps the time anyway.

    Attributes
    ----------
    config : dict
        Every option of the run, as plain values.
    source : str
        File name of the image (no folder), or the name of a layer.
    source_sha256 : str or None
        Hash of the image file, None for images that never were a file.
    weights_sha256 : str or None
        Hash of the backbone's weights, None for a backbone without weights.
    version : str
        Version of this package.
    edited : float
        Share of the pixels, 0 to 1, that a person has changed since a method labelled them: at
        most, where it was done in several sittings. 0 also where nobody noted it.
    """

    config: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    source_sha256: str | None = None
    weights_sha256: str | None = None
    version: str = field(default_factory=lambda: version("napari-firstpass"))
    edited: float = 0.0

    def to_json(self) -> str:
        """Return one line of JSON with sorted keys."""
        plain = asdict(self)
        if not self.edited:
            # Files were written before it was noted; those of methods alone stay the same.
            del plain["edited"]
        return json.dumps(plain, sort_keys=True, ensure_ascii=False)

    def with_step(self, key: str, step: Mapping[str, Any]) -> Provenance:
        """Add what was done afterwards, which may be done several times: the latest comes last.

        The rest still tells how the labels came about before. Noted are which step it is, from 1,
        and the share of the pixels that a person had changed by then, if any.
        """
        number = 1 + sum(len(self.config.get(name, [])) for name in STEPS)
        by_hand = {"edited": self.edited} if self.edited else {}
        told = {**step, "step": number, **by_hand}
        return replace(self, config={**self.config, key: [*self.config.get(key, []), told]})

    @property
    def steps(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """What was done afterwards, in order: one of `STEPS`, and what is told of it.

        Raises
        ------
        ProvenanceError
            If the order is not known, as in files of before it was noted.
        """
        found = [(key, told) for key in STEPS for told in self.config.get(key, [])]
        if len({key for key, told in found if "step" not in told}) > 1:
            raise ProvenanceError(
                expected="a record that tells what was done first",
                found=f"{' and '.join(dict(found))}, in no order",
                remedy="replay the files that they were before, one after the other",
            )
        return tuple(sorted(found, key=lambda item: item[1].get("step", 0)))

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """Read what `to_json` wrote.

        Raises
        ------
        ProvenanceError
            If the text is not such a record.
        """
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise ProvenanceError(
                expected="a provenance record in JSON",
                found=f"{type(error).__name__}: {error}",
                remedy="the labels can still be used; their history is lost",
            ) from error
