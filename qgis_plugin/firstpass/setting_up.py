"""Algorithms of the group Environment: install it, remove it, choose another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingOutputString,
    QgsProcessingParameterFile,
    QgsProcessingParameterString,
)

from firstpass.algorithm import FeedbackListener
from firstpass.environment import Environment, check, data_folder, find
from firstpass.errors import CanceledError, ToolError
from firstpass.installing import LOG, Recipe, install, remove
from firstpass.settings import choose_python, chosen_python, proxy

if TYPE_CHECKING:
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback


def _python(title: str) -> QgsProcessingParameterFile:
    """Return the parameter for an interpreter, which has no ending on most systems."""
    return QgsProcessingParameterFile("PYTHON", title, optional=True, fileFilter="All files (*)")


class _Setup(QgsProcessingAlgorithm):
    """What these have in common."""

    NAME = TITLE = HELP = ""

    def createInstance(self) -> _Setup:
        """Return another one, for a run of its own."""
        return type(self)()

    def name(self) -> str:
        """Return its name for scripts."""
        return self.NAME

    def displayName(self) -> str:
        """Return its name in the toolbox."""
        return self.TITLE

    def group(self) -> str:
        """Return where it is in the toolbox."""
        return "Environment"

    def groupId(self) -> str:
        """Return the same for scripts."""
        return "environment"

    def shortHelpString(self) -> str:
        """Return what it does."""
        return self.HELP

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Do it, in whatever thread QGIS chose."""
        try:
            return self._do(parameters, context, feedback)
        except CanceledError:
            feedback.pushInfo("Stopped; the environment is as it was before.")
            return {}
        except ToolError as error:
            raise QgsProcessingException(str(error)) from error

    def _do(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        raise NotImplementedError(type(self).__name__)


class InstallEnvironment(_Setup):
    """Makes the managed environment."""

    NAME = "install_environment"
    TITLE = "Install environment"
    HELP = (
        "<p>Makes an environment with napari-firstpass in your data folder; QGIS's own Python "
        "stays as it is. This takes minutes and about 2 GB, most of it for PyTorch.</p>"
        "<p>An environment that is there already is in use until the new one was tried. Cancel at "
        "any time. “Remove environment” takes it all away.</p>"
    )

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:
        """Describe parameters and outputs to QGIS."""
        for name, title, usual in (
            ("REQUIREMENT", "What pip installs: a version, a wheel, a folder", Recipe.requirement),
            ("INDEX", "Index of packages; empty for that of pip's settings", ""),
            ("PROXY", "Proxy; empty for that of QGIS's network options", ""),
        ):
            self.addParameter(
                QgsProcessingParameterString(name, title, usual, optional=name != "REQUIREMENT")
            )
        title = "Python 3.11 or newer to make it with; empty for that of QGIS"
        self.addParameter(_python(title))
        self.addOutput(QgsProcessingOutputString("INSTALLED", "The new environment's Python"))
        self.addOutput(QgsProcessingOutputString("VERSION", "Version of napari-firstpass"))

    def _do(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        def said(name: str) -> str:
            return str(self.parameterAsString(parameters, name, context)).strip()

        recipe = Recipe(
            requirement=said("REQUIREMENT"),
            python=said("PYTHON"),
            index=said("INDEX"),
            proxy=said("PROXY") or proxy(),
        )
        feedback.pushInfo(f"All that is said goes to {data_folder() / LOG}")
        ready = install(recipe, FeedbackListener(feedback))
        used = find(chosen_python())
        if used.python != ready.python:
            feedback.pushWarning(f"{used.origin} names {used.python}, which is used instead")
        return {"INSTALLED": str(ready.python), "VERSION": check(ready)}


class RemoveEnvironment(_Setup):
    """Takes the managed environment away."""

    NAME = "remove_environment"
    TITLE = "Remove environment"
    HELP = "<p>Removes what “Install environment” has made. Nothing else is touched.</p>"

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:
        """Describe outputs to QGIS."""
        self.addOutput(QgsProcessingOutputString("REMOVED", "yes, or no if there was none"))

    def _do(
        self,
        _parameters: dict[str, Any],
        _context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        was_there = remove()
        feedback.pushInfo("Removed." if was_there else "There was none.")
        return {"REMOVED": "yes" if was_there else "no"}


class ChooseEnvironment(_Setup):
    """Names an environment that is there already, and tries it."""

    NAME = "choose_environment"
    TITLE = "Choose environment"
    HELP = (
        "<p>Names the Python of an environment that has napari-firstpass already. Empty: takes the "
        "choice back, and only tells which environment is used.</p>"
        "<p>The variable FIRSTPASS_PYTHON comes before this choice, and what “Install environment” "
        "has made after it.</p>"
    )

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:
        """Describe parameters and outputs to QGIS."""
        self.addParameter(_python("Python of the environment"))
        self.addOutput(QgsProcessingOutputString("USED", "Python that is used"))
        self.addOutput(QgsProcessingOutputString("VERSION", "Version of napari-firstpass"))

    def _do(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        python = str(self.parameterAsString(parameters, "PYTHON", context)).strip()
        if python:
            check(Environment(Path(python), "the choice"))  # what does not work is not kept
        choose_python(python)
        used = find(chosen_python())
        version = check(used)
        feedback.pushInfo(f"napari-firstpass {version} at {used.python}, from {used.origin}")
        return {"USED": str(used.python), "VERSION": version}


SETUP = (InstallEnvironment, ChooseEnvironment, RemoveEnvironment)
