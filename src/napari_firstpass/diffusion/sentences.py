"""Sentences that tell Stable Diffusion what may be in a picture, and where in them the names stand.

As iSeg does it (arXiv 2409.03209): the names of a picture's classes, joined by *and*, then what
else there is. Which letters belong to which name is known from making the sentence: a name that
occurs a second time, in a longer name or among the words around, is not mistaken for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_firstpass.errors import PromptError
from napari_firstpass.prompts import require_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_firstpass.diffusion.attention import PromptTokens

_JOINT = " and "
_REST = "other object and background"
_MOST_PARTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How sentences are made.

    Attributes
    ----------
    opening : str
        What they begin with.
    context : tuple of str
        What else may be seen, told at the end; words that are names are left out.
    heads : mapping of str to str
        Of names of several words, the words that are looked at; by default, all of them are.
    """

    opening: str = "a photograph of"
    context: tuple[str, ...] = ()
    heads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a network is told.

    Attributes
    ----------
    text : str
        The sentence.
    letters : tuple of (int, int)
        For each name, where in it the letters begin and end that are looked at.
    """

    text: str
    letters: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, names: Sequence[str], wording: Wording) -> Sentence:
        """Make a sentence.

        Raises
        ------
        PromptError
            If there is no name, or an empty one.
        """
        require_names(names)
        text, letters = f"{wording.opening} ", []
        for name in names:
            said = " ".join(name.split())
            letters.append(_looked_at(said, len(text), wording))
            text += said + _JOINT
        known = {name.casefold() for name in names}
        others = [word for word in wording.context if word.casefold() not in known]
        return cls(text + ", ".join([_REST, *others]), tuple(letters))

    def tokens(self, prompt: PromptTokens) -> tuple[tuple[int, ...], ...]:
        """Return the tokens of each name, in order of names.

        Raises
        ------
        PromptError
            If a name has none: it holds nothing that the network can read.
        """
        found = tuple(prompt.between(*span) for span in self.letters)
        for span, tokens in zip(self.letters, found, strict=True):
            if not tokens:
                raise PromptError(
                    expected="names that the network can read",
                    found=repr(self.text[slice(*span)]),
                    remedy="use other words for it",
                )
        return found


def sentences(
    names: Sequence[str], wording: Wording, fits: Callable[[str], bool]
) -> tuple[tuple[Sentence, tuple[int, ...]], ...]:
    """Tell all names, in as few sentences of about equal length as the network reads.

    Parameters
    ----------
    names : sequence of str
        What to look for.
    wording : Wording
        How sentences are made.
    fits : callable
        Tells whether the network reads a text to its end.

    Returns
    -------
    tuple of (Sentence, tuple of int)
        Each with the numbers of its names, from 0.

    Raises
    ------
    PromptError
        If a name is too long for a sentence of its own, or there is none.
    """
    require_names(names)
    for parts in range(1, min(len(names), _MOST_PARTS) + 1):
        cuts = [round(len(names) * i / parts) for i in range(parts + 1)]
        groups = [tuple(range(*cuts[i : i + 2])) for i in range(parts)]
        made = tuple((Sentence.of([names[i] for i in g], wording), g) for g in groups)
        if all(fits(sentence.text) for sentence, _ in made):
            return made
    longest = max(names, key=len)
    raise PromptError(
        expected="names that fit into a sentence that the network reads to its end",
        found=f"{longest!r} of {len(longest)} letters",
        remedy="shorten it",
    )


def _looked_at(name: str, start: int, wording: Wording) -> tuple[int, int]:
    """Return which letters of a name that begins at ``start`` are looked at."""
    head = wording.heads.get(name.casefold(), name)
    place = start + max(name.casefold().rfind(head.casefold()), 0)
    return place, place + len(head)
