"""Tables of candidates in files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.candidate_tables import BUILT_IN_TABLES, candidate_table_file
from napari_firstpass.candidates import CandidateTable
from napari_firstpass.errors import TaxonomyError, UnknownNameError
from napari_firstpass.io.taxonomy_file import class_text
from napari_firstpass.taxonomies.forms import parse_json
from napari_firstpass.taxonomies.plain_yaml import parse_yaml

if TYPE_CHECKING:
    import os

_PARSERS = {".yaml": parse_yaml, ".yml": parse_yaml, ".json": parse_json}


def read_candidates(name_or_path: str | os.PathLike[str]) -> CandidateTable:
    """Read a table of candidates: a built-in one by its name, or one in YAML or JSON.

    Raises
    ------
    UnknownNameError
        If it is neither a known name nor such a file.
    ImageReadError
        If the file cannot be read.
    TaxonomyError
        If it is no such table; see `CandidateTable.parse`.
    """
    if name_or_path in BUILT_IN_TABLES:
        return read_candidates(candidate_table_file(str(name_or_path)))
    path = Path(name_or_path)
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        raise UnknownNameError(
            expected=f"a table of candidates out of {', '.join(BUILT_IN_TABLES)}, or a file that "
            "ends in .yaml, .yml or .json",
            found=repr(str(name_or_path)),
            remedy="choose one of them, or check the path",
        )
    content = parse(class_text(path, what="a table of candidates"), path.name)
    try:
        return CandidateTable.parse(content)
    except TaxonomyError as error:
        raise TaxonomyError(
            expected=error.expected, found=f"{error.found} in {path.name}", remedy=error.remedy
        ) from error
