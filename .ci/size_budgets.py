"""Check the size and style budgets of the source: see CONTRIBUTING.md for the numbers."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

FILE_MEDIAN, FILE_P95, FILE_MAX = 150, 450, 600
BODY_MEDIAN, BODY_P95, BODY_MAX = 8, 35, 60
WIDGET_INIT_MAX = 40

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef | ast.Module


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed file."""

    path: Path
    lines: int
    tree: ast.Module

    @classmethod
    def read(cls, path: Path) -> Source:
        text = path.read_text(encoding="utf-8")
        return cls(path, len(text.splitlines()), ast.parse(text))

    @property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]


def body_lines(function: Function) -> int:
    """Count the lines of a body, without its docstring."""
    body = function.body[ast.get_docstring(function) is not None :]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def is_annotated(function: Function) -> bool:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
    typed = all(a.annotation for a in named if a.arg not in ("self", "cls"))
    return typed and function.returns is not None


def undocumented(node: ast.AST, inside: str = "") -> list[str]:
    """List what lacks a docstring; nested functions are nobody's API."""
    missing = []
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function | ast.ClassDef) or child.name.startswith("_"):
            continue
        name = f"{inside}{child.name}"
        missing += [] if ast.get_docstring(child) else [f"{child.lineno}: {name} has no docstring"]
        missing += undocumented(child, f"{name}.") if isinstance(child, ast.ClassDef) else []
    return missing


def is_broad(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False  # cleans up and passes everything on
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    broad = ("Exception", "BaseException")
    return any(c is None or (isinstance(c, ast.Name) and c.id in broad) for c in caught)


def is_print(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "print"


def violations_of(source: Source) -> list[str]:
    """Return one line for each rule that a file breaks."""
    found = [] if ast.get_docstring(source.tree) else ["1: the module has no docstring"]
    found += undocumented(source.tree)
    if source.lines > FILE_MAX:
        found.append(f"1: {source.lines} lines, at most {FILE_MAX}")
    for f in source.functions:
        is_widget_init = f.name == "__init__" and "widgets" in source.path.parts
        limit = WIDGET_INIT_MAX if is_widget_init else BODY_MAX
        if (length := body_lines(f)) > limit:
            found.append(f"{f.lineno}: body of {f.name} has {length} lines, at most {limit}")
        if not is_annotated(f):
            found.append(f"{f.lineno}: {f.name} is not fully annotated")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and is_broad(node):
            found.append(f"{node.lineno}: except catches everything")
        if isinstance(node, ast.expr) and is_print(node) and source.path.parent.name != "cli":
            found.append(f"{node.lineno}: print outside cli")
    return [f"{source.path}:{line}" for line in found]


def measured(what: str, sizes: list[int], median_limit: int, p95_limit: int) -> tuple[str, bool]:
    """Describe a distribution; the second value says whether it keeps to its limits."""
    middle, p95 = median(sizes), sorted(sizes)[int(0.95 * (len(sizes) - 1))]
    text = (
        f"{len(sizes)} {what}: median {middle:g} (at most {median_limit}), "
        f"p95 {p95} (at most {p95_limit}), largest {max(sizes)}"
    )
    return text, middle <= median_limit and p95 <= p95_limit


def main(folder: str) -> int:
    sources = [Source.read(path) for path in sorted(Path(folder).rglob("*.py"))]
    bodies = [body_lines(f) for source in sources for f in source.functions]
    violations = [line for source in sources for line in violations_of(source)]
    files, files_fit = measured("files", [s.lines for s in sources], FILE_MEDIAN, FILE_P95)
    functions, functions_fit = measured("function bodies", bodies or [0], BODY_MEDIAN, BODY_P95)
    print(*violations, files, functions, sep="\n")
    return 0 if not violations and files_fit and functions_fit else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
