# SPDX-License-Identifier: MIT
"""Makes the firmware's modules smaller for a board. Pure: sources in, sources out.

A board compiles what is on its drive into its memory, and an nRF52840 has about 140 kB of it. So

- what only people and type checkers read stays at home;
- each constant stands where it is used: its name, the line that makes it and the entry in each
  module that imports it take 60 bytes, and there are three hundred of them;
- private names and those of local variables are short, and the same in classes and functions that
  have nothing to do with each other, because an interpreter keeps every name once, for ever.

Nothing else is changed; libraries are not touched.
"""

from __future__ import annotations

import ast
import operator
import string
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

AS_WRITTEN = frozenset({"boot.py", "code.py", "safemode.py"})
"""What a maker may want to read and change on the drive, with all of `boards/`."""
WITH_FOREIGN_BASES = frozenset({"gatt.py"})
"""Its classes derive from those of a library, whose private names nobody here knows."""

_HEAD = (
    "# SPDX-License-Identifier: MIT\n"
    "# Made by `tenuto firmware install` from firmware/{}, where the comments are.\n"
)
_BINARY: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.BitOr: operator.or_,
}
Constants = dict[str, int]


def slim(sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """Make modules smaller that do the same.

    Args:
        sources: The firmware's own modules by path; all of them, since they use each other.
    """
    made = {path: ast.parse(data) for path, data in sources.items() if not _is_kept(path)}
    changed = _changed_from_outside(made.values())
    constants: dict[str, Constants] = {}
    for path in made:
        _collect(path, made, constants, changed)
    slimmed = dict(sources)
    for path, tree in made.items():
        _Inline(path, constants).visit(tree)
        _Strip(constants[_module_of(path)]).visit(tree)
    kept = [ast.parse(data) for path, data in sources.items() if _is_kept(path)]
    _shorten(made, kept)
    for path, tree in made.items():
        text = ast.unparse(ast.fix_missing_locations(tree))
        slimmed[path] = f"{_HEAD.format(path)}{text}\n".encode()
    return slimmed


def _is_kept(path: str) -> bool:
    return path in AS_WRITTEN or path.startswith("boards/")


def _module_of(path: str) -> str:
    pure = PurePosixPath(path)
    parts = pure.parent.parts if pure.name == "__init__.py" else (*pure.parent.parts, pure.stem)
    return ".".join(parts)


def _base_of(path: str, node: ast.ImportFrom) -> str:
    """The dotted name of what an import of a module takes its names from."""
    package = list(PurePosixPath(path).parent.parts)
    parts = package[: len(package) - node.level + 1] if node.level else []
    return ".".join([*parts, *([node.module] if node.module else [])])


# --- constants


def _changed_from_outside(trees: Iterable[ast.Module]) -> frozenset[str]:
    """Names that some module sets in another one."""
    return frozenset(
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    )


def _collect(
    path: str,
    made: Mapping[str, ast.Module],
    constants: dict[str, Constants],
    changed: frozenset[str],
) -> None:
    """Find the whole numbers that a module gives a name in capitals, once and for all."""
    module = _module_of(path)
    if module in constants:
        return
    constants[module] = found = Constants()
    tree = made[path]
    paths = {_module_of(other): other for other in made}
    known: Constants = {}
    stores = _stores(tree)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            base = _base_of(path, node)
            if base in paths:
                _collect(paths[base], made, constants, changed)
                there = constants[base]
                for alias in node.names:
                    if alias.name in there:
                        known[alias.asname or alias.name] = there[alias.name]
            continue
        target, value = _assigned(node)
        if target is not None and value is not None:
            for name, number in _named(target, value, known | found):
                if name.isupper() and name not in changed and stores[name] == 1:
                    found[name] = number


def _assigned(node: ast.stmt) -> tuple[ast.expr | None, ast.expr | None]:
    """What is given a value by a line, and which."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        return node.targets[0], node.value
    if isinstance(node, ast.AnnAssign):
        return node.target, node.value
    return None, None


def _named(target: ast.expr, value: ast.expr, known: Constants) -> Iterator[tuple[str, int]]:
    if isinstance(target, ast.Name):
        number = _number(value, known)
        if number is not None:
            yield target.id, number
    elif (
        isinstance(target, ast.Tuple)
        and isinstance(value, ast.Call)
        and ast.unparse(value.func) == "range"
    ):
        numbers = [_number(argument, known) for argument in value.args]
        if all(number is not None for number in numbers):
            for element, number in zip(target.elts, range(*numbers), strict=True):  # type: ignore[arg-type]
                if isinstance(element, ast.Name):
                    yield element.id, number
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for element, part in zip(target.elts, value.elts, strict=False):
            yield from _named(element, part, known)


def _number(node: ast.expr, known: Constants) -> int | None:
    """The value of an expression of whole numbers and constants, if it is one."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _number(node.left, known), _number(node.right, known)
        if left is None or right is None:
            return None
        return _BINARY[type(node.op)](left, right)
    return None


def _stores(tree: ast.AST) -> Counter[str]:
    """How often each name is given a value, as a variable or as an argument."""
    counted: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            counted[node.id] += 1
        elif isinstance(node, ast.arg):
            counted[node.arg] += 1
    return counted


class _Inline(ast.NodeTransformer):
    """Puts the constants of all modules where one module uses them."""

    def __init__(self, path: str, constants: Mapping[str, Constants]) -> None:
        self._path = path
        self._constants = constants
        self._names = dict(constants[_module_of(path)])
        self._modules: dict[str, Constants] = {}
        self._stores: Counter[str] = Counter()

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self._stores = _stores(node)
        for inner in ast.walk(node):
            if isinstance(inner, ast.ImportFrom):
                base = _base_of(self._path, inner)
                for alias in inner.names:
                    name, module = alias.asname or alias.name, f"{base}.{alias.name}".lstrip(".")
                    if self._is_constant(base, alias):
                        self._names[name] = self._constants[base][alias.name]
                    elif module in self._constants:
                        self._modules[name] = self._constants[module]
            elif isinstance(inner, ast.Import):
                for alias in inner.names:
                    if alias.name in self._constants and alias.asname is None:
                        self._modules[alias.name] = self._constants[alias.name]
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        base = _base_of(self._path, node)
        node.names = [alias for alias in node.names if not self._is_constant(base, alias)]
        return node if node.names else None

    def _is_constant(self, base: str, alias: ast.alias) -> bool:
        """Whether an import brings a constant, and nothing else has its name here."""
        name = alias.asname or alias.name
        return alias.name in self._constants.get(base, {}) and not self._stores[name]

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.id in self._names:
            return ast.Constant(self._names[node.id])
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name):
            there = self._modules.get(node.value.id, {})
            if node.attr in there:
                return ast.Constant(there[node.attr])
        return self.generic_visit(node)


# --- what only people and type checkers read


class _Strip(ast.NodeTransformer):
    """Takes away docstrings, annotations and the lines that make the module's own constants."""

    def __init__(self, constants: Constants) -> None:
        self._constants = constants

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = [line for line in node.body if not self._is_constant(line)]
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._without_annotations(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._without_annotations(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return None if node.value is None else ast.Assign([node.target], node.value)

    def _is_constant(self, node: ast.stmt) -> bool:
        target, _ = _assigned(node)
        if target is None:
            return False
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        return all(isinstance(name, ast.Name) and name.id in self._constants for name in names)

    def _without_annotations(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self._without_docstring(node)

    def _without_docstring(
        self, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    ) -> ast.AST:
        self.generic_visit(node)
        body = [line for line in node.body if not _is_text(line)]
        node.body = body or ([] if isinstance(node, ast.Module) else [ast.Pass()])
        return node


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


# --- private names


def _shorten(made: Mapping[str, ast.Module], kept: Iterable[ast.Module]) -> None:
    """Give private names short ones."""
    foreign = {name for tree in (*made.values(), *kept) for name in _used_from_outside(tree)}
    families = _families(made)
    short: dict[str, dict[str, str]] = {}
    for path, tree in made.items():
        if path in WITH_FOREIGN_BASES:
            continue
        own = {name for node in tree.body for name in _defined(node)} - foreign
        module = dict(zip(sorted(own), _short_names(), strict=False))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                names = short.setdefault(families[node.name], {})
                fresh = sorted(set(_attributes(node)) - foreign - names.keys())
                for name, new in zip(fresh, _short_names(len(names)), strict=False):
                    names[name] = new
        _Rename(module, {name: short[families[name]] for name in _classes(tree)}).visit(tree)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and len(name) > 1


def _short_names(start: int = 0) -> Iterator[str]:
    letters = [f"_{letter}" for letter in string.ascii_letters]
    two = [f"{name}{letter}" for name in letters for letter in string.ascii_letters]
    return iter((letters + two)[start:])


def _classes(tree: ast.AST) -> Iterator[str]:
    return (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _is_self(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _used_from_outside(tree: ast.Module) -> Iterator[str]:
    """Private names that something else than their own object or module asks for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not _is_self(node.value):
            yield node.attr
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield from alias.name.split(".")


def _families(made: Mapping[str, ast.Module]) -> dict[str, str]:
    """Which classes have a common ancestor or heir: name of the class -> name of the family."""
    family = {name: name for tree in made.values() for name in _classes(tree)}
    for tree in made.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    other = family.get(ast.unparse(base).rpartition(".")[2])
                    if other is not None:
                        mine = family[node.name]
                        family = {n: other if f == mine else f for n, f in family.items()}
    return family


def _defined(node: ast.stmt) -> Iterator[str]:
    """Private names that a line of a module or of a class gives something."""
    names: list[str] = []
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names = [node.name]
    elif isinstance(node, ast.Assign):
        names = [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    return filter(_is_private, names)


def _attributes(tree: ast.ClassDef) -> Iterator[str]:
    """Private names that a class and its objects have."""
    for node in tree.body:
        yield from _defined(node)
    for inner in ast.walk(tree):
        if isinstance(inner, ast.Attribute) and _is_self(inner.value) and _is_private(inner.attr):
            yield inner.attr


def _shorten_locals(function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Give the variables of a function short names, and of the functions in it."""
    stored: set[str] = set()
    others: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            (others if isinstance(node.ctx, ast.Load) else stored).add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            stored.add(node.name)
        elif isinstance(node, ast.arg):
            others.add(node.arg)
        elif isinstance(node, ast.Global | ast.Nonlocal | ast.Import | ast.ImportFrom):
            return  # a name from elsewhere, or one that is seen elsewhere
    arguments = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    own = sorted(stored - arguments)
    free = [letter for letter in string.ascii_letters if letter not in others | stored]
    short = dict(zip(own, free, strict=False))
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            node.id = short.get(node.id, node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            node.name = short.get(node.name, node.name)


class _Rename(ast.NodeTransformer):
    """Puts the short names in.

    Args:
        module: Old name -> new one, of the module.
        classes: Name of a class -> old name -> new one, of its objects.
    """

    def __init__(self, module: Mapping[str, str], classes: Mapping[str, Mapping[str, str]]) -> None:
        self._module = module
        self._classes = classes
        self._own: Mapping[str, str] = {}

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        around, self._own = self._own, self._classes[node.name]
        for line in node.body:
            if isinstance(line, ast.FunctionDef | ast.AsyncFunctionDef):
                line.name = self._own.get(line.name, line.name)
            elif isinstance(line, ast.Assign):
                for target in line.targets:
                    if isinstance(target, ast.Name):
                        target.id = self._own.get(target.id, target.id)
        self.generic_visit(node)
        self._own = around
        node.name = self._module.get(node.name, node.name)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if not self._own:
            node.name = self._module.get(node.name, node.name)
        self.generic_visit(node)
        _shorten_locals(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._module.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if _is_self(node.value):
            node.attr = self._own.get(node.attr, node.attr)
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """A method may be asked for by its name, as `player.TABLE` does."""
        if isinstance(node.value, str) and _is_private(node.value):
            found = {names[node.value] for names in self._classes.values() if node.value in names}
            if len(found) == 1:
                node.value = found.pop()
        return node
