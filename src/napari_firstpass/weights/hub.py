"""Asking a hub for files, through huggingface_hub: its proxies, mirrors, tokens and addresses.

The bytes are received here and not by ``hf_hub_download``, which since version 2 begins a file
anew after every interruption. Asking for the rest of a file is plain HTTP.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_firstpass.errors import WeightsError
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.weights.folder import how_to_log_in, offline_way

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_firstpass.weights.catalogue import KnownModel

# Seconds to connect, for the next bytes, to send, for a free connection. Proxies that look for
# viruses keep a file to themselves for a while.
_PATIENCE = (10.0, 60.0, 10.0, 10.0)
_TRIES = 4
_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on the hub: name, bytes, and the hash it keeps: sha256 if large, else git's."""

    name: str
    size: int
    sha256: str | None
    blob_sha1: str | None

    @property
    def partial(self) -> str:
        """Name of what has come so far; another version of the file has another one."""
        folder, slash, name = self.name.rpartition("/")
        return f"{folder}{slash}.{name}.{(self.sha256 or self.blob_sha1 or '')[:16]}{_PARTIAL}"


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one commit of a repository, and the address of the hub that lists them."""

    model: KnownModel
    endpoint: str
    commit: str
    files: tuple[RemoteFile, ...]


def list_files(model: KnownModel, revision: str | None) -> Listing:
    """Ask for the files of a repository at a branch, tag or commit; None for its main branch.

    Raises
    ------
    WeightsError
        If huggingface_hub is not installed, the hub cannot be reached, or refuses.
    """
    api = _library().HfApi()
    with _asking(model, revision):
        info = api.model_info(
            model.repo, revision=revision, files_metadata=True, timeout=_PATIENCE[0]
        )
    entries = info.siblings or ()
    files = tuple(_remote(entry) for entry in entries)
    return Listing(model, str(api.endpoint), str(info.sha), files)


def _remote(entry: Any) -> RemoteFile:  # noqa: ANN401 - a type of a library that may be missing
    sha256 = entry.lfs.sha256 if entry.lfs else None
    return RemoteFile(entry.rfilename, int(entry.size or 0), sha256, entry.blob_id)


def receive_steps(listing: Listing, file: RemoteFile, folder: Path) -> Steps[Path]:
    """Get one file, going on from what an earlier attempt left; counts bytes.

    Returns
    -------
    Path
        The file, in ``folder``, of the right size; its content is not checked.

    Raises
    ------
    WeightsError
        If the hub cannot be reached, or refuses.
    OSError
        If the disk is full or cannot be written.
    """
    partial = folder / file.partial
    partial.parent.mkdir(exist_ok=True)
    partial.touch()
    if partial.stat().st_size > file.size:
        partial.write_bytes(b"")
    failures = 0
    while (before := partial.stat().st_size) < file.size:
        # The last attempt speaks for all of them.
        with _asking(listing.model, None, forgive=failures < _TRIES - 1):
            yield from _receive(listing, file, partial)
        failures = 0 if partial.stat().st_size > before else failures + 1
        if failures == _TRIES:
            raise _lost(listing.model, "answers without the rest of the file")
        time.sleep(failures)
    return partial.replace(folder / file.name)


def _receive(listing: Listing, file: RemoteFile, partial: Path) -> Steps[None]:
    """Ask for the rest of a file once, and append what comes."""
    hub = _library()
    url = hub.hf_hub_url(listing.model.repo, file.name, revision=listing.commit)
    have = partial.stat().st_size
    # Compressed, the rest of a file would not be the rest of its bytes.
    headers = {**hub.utils.build_hf_headers(), "Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={have}-"} if have else {}
    session = hub.utils.get_session()
    with session.stream("GET", url, headers=headers, timeout=_PATIENCE) as response:
        if response.is_error:
            response.read()
            hub.utils.hf_raise_for_status(response)
        if have and not _continues(response, have):
            have = 0
        with partial.open("r+b", buffering=0) as out:
            out.truncate(have)
            out.seek(have)
            for chunk in response.iter_bytes():
                out.write(chunk[: file.size - have])
                have = min(have + len(chunk), file.size)
                yield Progress(have, file.size, f"{file.name}, {_megabytes(have, file.size)}")


def _continues(response: Any, have: int) -> bool:  # noqa: ANN401 - of httpx or httpx2
    place = str(response.headers.get("Content-Range", ""))
    return bool(response.status_code == 206) and place.startswith(f"bytes {have}-")


def _megabytes(done: int, total: int) -> str:
    return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"


def _library() -> Any:  # noqa: ANN401 - a module
    # Read when the library is imported. Without it, version 2 also asks the hub for a list of
    # programs, to tell it which of them is running us.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise WeightsError(
            expected="the package huggingface_hub, which fetches weights",
            found="none",
            remedy='run pip install "napari-firstpass[models]", or fetch them with --from-folder',
        ) from error
    return huggingface_hub


@contextmanager
def _asking(model: KnownModel, revision: str | None, *, forgive: bool = False) -> Iterator[None]:
    """Turn what goes wrong between us and the hub into a `WeightsError`.

    With ``forgive``, a connection that breaks is nothing.
    """
    errors = _library().errors
    # Base of all that a connection may raise; of httpx or httpx2, whichever the library uses.
    broken = errors.HfHubHTTPError.__bases__[0]
    try:
        yield
    except errors.HfHubHTTPError as error:
        raise _refusal(error, model, revision) from error
    except errors.OfflineModeIsEnabled as error:
        raise _unreachable(model, "HF_HUB_OFFLINE, which forbids it") from error
    except broken as error:
        if not forgive:
            raise _unreachable(model, _first_line(error)) from error
    except ImportError as error:  # a SOCKS proxy without the package that speaks to it
        raise _unreachable(model, _first_line(error)) from error


def _refusal(error: Any, model: KnownModel, revision: str | None) -> WeightsError:  # noqa: ANN401
    errors = _library().errors
    code = int(error.response.status_code)
    if isinstance(error, errors.GatedRepoError) or (code in (401, 403) and model.gated):
        return _locked(model, code)
    if isinstance(error, errors.RevisionNotFoundError) or (code == 404 and revision):
        return WeightsError(
            expected=f"the revision {revision or 'main'} of {model.repo}",
            found="none of this name (404)",
            remedy=f"choose a branch, tag or commit listed at {model.page}/commits/main",
        )
    if code in (401, 403, 404):
        return WeightsError(
            expected=f"the repository {model.repo} at {_endpoint()}",
            found=f"a refusal ({code})",
            remedy=f"unset HF_TOKEN if it is out of date, check HF_ENDPOINT, see {model.page}",
        )
    return _lost(model, f"an answer with code {code}")


def _locked(model: KnownModel, code: int) -> WeightsError:
    # 401: nobody; 403: somebody who may not.
    who = "for an account that has not accepted the licence" if code == 403 else "without a login"
    steps = how_to_log_in(model) or (
        f'; accept the licence at {model.page}, then set HF_TOKEN or run "hf auth login"'
    )
    return WeightsError(
        expected=f"access to {model.repo}",
        found=f"a refusal {who} ({code})",
        remedy=f"{steps.removeprefix('; ')}; or {offline_way(model)}",
    )


def _unreachable(model: KnownModel, found: str) -> WeightsError:
    return WeightsError(
        expected=f"to reach {_endpoint()}",
        found=found,
        remedy="check the network, or set HTTPS_PROXY, HF_ENDPOINT (a mirror) or SSL_CERT_FILE "
        f"(your company's certificate); or {offline_way(model)}",
    )


def _lost(model: KnownModel, found: str) -> WeightsError:
    return WeightsError(
        expected=f"{model.repo} from {_endpoint()}",
        found=found,
        remedy="run the same command later: it goes on where it stopped",
    )


def _endpoint() -> str:
    return str(_library().HfApi().endpoint)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
