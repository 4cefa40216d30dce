"""Write the zip of the QGIS plugin that can be installed and uploaded, and check it first.

    python .ci/qgis_zip.py [FOLDER]     dist if no folder is given

The rules are those of plugins.qgis.org in 2026.
"""

from __future__ import annotations

import sys
from configparser import ConfigParser
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

PLUGIN = Path(__file__).parents[1] / "qgis_plugin" / "firstpass"

REQUIRED = (
    "name", "description", "version", "qgisMinimumVersion", "author", "email", "about", "tracker",
    "repository",
)  # fmt: skip

LARGEST = 25 * 10**6

_ENDINGS = {".py", ".json", ".txt", ".md", ".png", ""}
_EPOCH = (1980, 1, 1, 0, 0, 0)


def packed(plugin: Path = PLUGIN) -> bytes:
    """Return the zip; the same files give the same bytes."""
    held = BytesIO()
    with ZipFile(held, "w", ZIP_DEFLATED) as archive:
        for path in sorted(plugin.rglob("*")):
            inside = path.relative_to(plugin.parent)
            if path.is_file() and path.suffix in _ENDINGS and "__pycache__" not in inside.parts:
                info = ZipInfo(inside.as_posix(), _EPOCH)
                info.external_attr = 0o644 << 16
                info.compress_type = ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())
    return held.getvalue()


def flaws(content: bytes) -> list[str]:
    """Return what the plugin repository would refuse, a line each."""
    with ZipFile(BytesIO(content)) as archive:
        names = archive.namelist()
        tops = {name.split("/")[0] for name in names}
        found = [] if len(content) <= LARGEST else [f"{len(content)} bytes, at most {LARGEST}"]
        if len(tops) != 1 or not all(top.isidentifier() for top in tops):
            return [*found, f"one top folder called like a module, not {sorted(tops)}"]
        (top,) = tops
        wanted = ("metadata.txt", "LICENSE", "README.md", "__init__.py")
        found += [f"no {name}" for name in wanted if f"{top}/{name}" not in names]
        odd = ("__pycache__", ".git", "__MACOSX", ".pyc", ".so", ".dll", ".exe")
        found += [f"{name} has no place there" for name in names if any(o in name for o in odd)]
        if f"{top}/metadata.txt" in names:
            text = archive.read(f"{top}/metadata.txt").decode("utf-8")
            found += _flaws_of_metadata(text, {n.removeprefix(f"{top}/") for n in names})
    return found


def _flaws_of_metadata(text: str, names: set[str]) -> list[str]:
    reader = ConfigParser(interpolation=None)
    reader.optionxform = str  # type: ignore[assignment, method-assign]
    reader.read_string(text)
    said = dict(reader["general"])
    found = [f"no {key} in metadata.txt" for key in REQUIRED if not said.get(key, "").strip()]
    links = [key for key in ("tracker", "repository", "homepage") if key in said]
    found += [f"{key} is no address" for key in links if not said[key].startswith("https://")]
    if said.get("icon") not in names:
        found.append(f"no icon {said.get('icon')}")
    return found


def main(folder: Path) -> Path:
    """Write the zip and return its path."""
    content = packed()
    if wrong := flaws(content):
        raise SystemExit("the plugin repository would refuse this zip: " + "; ".join(wrong))
    version = next(
        line.partition("=")[2]
        for line in (PLUGIN / "metadata.txt").read_text(encoding="utf-8").splitlines()
        if line.startswith("version=")
    )
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / f"firstpass-qgis-{version}.zip"
    out.write_bytes(content)
    return out


if __name__ == "__main__":
    print(main(Path(*sys.argv[1:2] or ["dist"])))
