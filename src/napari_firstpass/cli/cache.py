"""``firstpass cache``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli_progress import tell_result

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("cache", help="features kept on disk")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    info = actions.add_parser("info", help="where they are, and how much room they take")
    info.set_defaults(command=_info)
    info.add_argument("--json", action="store_true", help="print it as JSON")
    clear = actions.add_parser("clear", help="remove all of them")
    clear.set_defaults(command=_clear)


def _info(options: Namespace) -> int:
    from napari_firstpass.feature_cache import FeatureCache, default_folder

    cache = FeatureCache(default_folder())
    contents, limit = cache.contents(), cache.limit()
    content = {
        "folder": str(cache.folder),
        "entries": contents.entries,
        "size_bytes": contents.size_bytes,
        "limit_bytes": limit,
    }
    lines = (
        f"folder      {cache.folder}",
        f"entries     {contents.entries}",
        f"size        {_megabytes(contents.size_bytes)}",
        f"limit       {_megabytes(limit)}",
    )
    tell_result(content, lines, as_json=options.json)
    return DONE


def _clear(_: Namespace) -> int:
    from napari_firstpass.feature_cache import FeatureCache, default_folder

    cache = FeatureCache(default_folder())
    removed = cache.clear()
    print(f"{removed.entries} entries, {_megabytes(removed.size_bytes)}, removed: {cache.folder}")
    return DONE


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
