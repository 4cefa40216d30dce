"""What the user of QGIS has set: the environment, the proxy."""

from __future__ import annotations

from urllib.parse import quote

from qgis.core import QgsSettings

_PYTHON = "firstpass/python"


def chosen_python() -> str:
    """Return the interpreter that was chosen, an empty text for none."""
    return str(QgsSettings().value(_PYTHON, "") or "")


def choose_python(python: str) -> None:
    """Keep the choice of an interpreter; an empty text takes it back."""
    settings = QgsSettings()
    if python:
        settings.setValue(_PYTHON, python)
    else:
        settings.remove(_PYTHON)
    settings.sync()


def proxy() -> str:
    """Return the address of the proxy in QGIS's network options, an empty text for none."""
    settings = QgsSettings()
    host = str(settings.value("proxy/proxyHost", "") or "")
    is_used = settings.value("proxy/proxyEnabled", False, type=bool)
    kind = str(settings.value("proxy/proxyType", "") or "")
    if not is_used or not host or kind not in ("HttpProxy", "HttpCachingProxy", "Socks5Proxy"):
        return ""
    port = str(settings.value("proxy/proxyPort", "") or "")
    user = str(settings.value("proxy/proxyUser", "") or "")
    secret = str(settings.value("proxy/proxyPassword", "") or "")
    login = f"{quote(user, safe='')}:{quote(secret, safe='')}@" if user else ""
    scheme = "socks5" if kind == "Socks5Proxy" else "http"
    return f"{scheme}://{login}{host}{':' if port else ''}{port}"
