"""``firstpass models``: the only command that downloads anything, and only when told to fetch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.cli.codes import DONE, INTERRUPTED, UNFIT, joint_code

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from napari_firstpass.weights.catalogue import KnownModel
    from napari_firstpass.weights.folder import Installed


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("models", help="weights of networks: list, fetch, check, remove")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    add = actions.add_parser
    add("list", help="which weights there are").set_defaults(command=_list)
    _named(add("show", help="what is known of some weights"), _show)
    fetch = _named(add("fetch", help="get weights, from the network or a folder"), _fetch)
    fetch.add_argument(
        "--from-folder", type=Path, metavar="FOLDER", help="copy a downloaded repository"
    )
    fetch.add_argument("--revision", metavar="R", help="a branch, tag or commit of the repository")
    _named(add("path", help="print the folder of some weights"), _path)
    verify = add("verify", help="read all files and compare checksums")
    verify.set_defaults(command=_verify)
    verify.add_argument("name", metavar="NAME", nargs="?", help="all that are there if left out")
    _named(add("remove", help="delete some weights"), _remove)


def _named(parser: ArgumentParser, command: object) -> ArgumentParser:
    parser.set_defaults(command=command)
    parser.add_argument("name", metavar="NAME", help="a name that list shows")
    return parser


def _list(_options: Namespace) -> int:
    from napari_firstpass.weights.catalogue import KNOWN
    from napari_firstpass.weights.folder import installed, weights_folder

    here = {one.model.name for one in installed()}
    rows = [("name", "task", "MB", "installed", "licence")]
    for model in KNOWN.values():
        state = "yes" if model.name in here else "no"
        rows.append((model.name, model.task, f"{model.megabytes}", state, _licence(model)))
    for name, task, size, state, licence in rows:
        print(f"{name:<18} {task:<9} {size:>5}  {state:<10} {licence}")
    print(f"\nkept in {weights_folder()}")
    return DONE


def _licence(model: KnownModel) -> str:
    return f"{model.licence} (gated)" if model.gated else model.licence


def _show(options: Namespace) -> int:
    from napari_firstpass.weights.catalogue import known
    from napari_firstpass.weights.folder import installed

    model = known(options.name)
    here = next((one for one in installed() if one.model == model), None)
    for title, text in (*_facts(model), *_whereabouts(here)):
        print(f"{title:<14} {text}")
    return DONE


def _facts(model: KnownModel) -> list[tuple[str, str]]:
    speed, memory = model.seconds_per_megapixel, model.memory_mb
    return [
        ("name", model.name),
        ("what", model.summary),
        ("task", model.task),
        ("licence", _licence(model)),
        ("page", model.page),
        ("download", f"about {model.megabytes} MB"),
        ("stride", "unknown" if model.stride is None else f"{model.stride} pixels"),
        ("memory", "not measured" if memory is None else f"{memory} MB"),
        ("speed", "not measured" if speed is None else f"{speed:g} s per megapixel"),
    ]


def _whereabouts(here: Installed | None) -> list[tuple[str, str]]:
    if here is None:
        return [("installed", "no")]
    files = [
        ("file", f"{file.name}, {file.size} bytes, sha256 {file.sha256}")
        for file in here.manifest.files
    ]
    return [
        ("installed", str(here.folder)),
        ("from", here.manifest.source),
        ("commit", here.manifest.commit or "unknown"),
        *files,
    ]


def _fetch(options: Namespace) -> int:
    from napari_firstpass.cli_progress import Reporter, complain
    from napari_firstpass.weights.fetch import fetch_steps

    steps = fetch_steps(options.name, source=options.from_folder, revision=options.revision)
    try:
        with Reporter(options.name) as reporter:
            print(reporter.drive(steps))
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on from what has come so far")
        return INTERRUPTED
    return DONE


def _path(options: Namespace) -> int:
    from napari_firstpass.weights.folder import find

    print(find(options.name))
    return DONE


def _verify(options: Namespace) -> int:
    from napari_firstpass.weights.folder import present, weights_folder

    names = present() if options.name is None else (options.name,)
    if not names:
        print(f"nothing to verify in {weights_folder()}")
        return DONE
    return joint_code([_verify_one(name) for name in names])


def _verify_one(name: str) -> int:
    from napari_firstpass.cli_progress import Reporter, complain
    from napari_firstpass.errors import WeightsError
    from napari_firstpass.weights.folder import verify

    try:
        with Reporter(name) as reporter:
            flaws = reporter.drive(verify(name))
    except WeightsError as error:
        complain(str(error))
        return UNFIT
    for flaw in flaws:
        print(f"{name}: {flaw}")
    print(f"{name}: damaged; firstpass models fetch {name}" if flaws else f"{name}: sound")
    return UNFIT if flaws else DONE


def _remove(options: Namespace) -> int:
    from napari_firstpass.weights.folder import remove

    remove(options.name)
    print(f"removed {options.name}")
    return DONE
