"""Where configs come from: files, the installed `cfgs` package, dotted modules and classes."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import sys
import traceback
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from configs.errors import ExportError, RecipeError, SourceError
from configs.fields import Replacement

#: Module name of a config while its file runs; functions made there carry it in their qualified names.
CONFIG_MODULE = "__config__"


def find_file(path: str) -> Path | None:
    """Returns the file of `path`: under the current directory, else `cfgs/...` in the installed package, else None."""
    if Path(path).is_file():
        return Path(path)
    parts = Path(path).parts
    if parts[:1] == ("cfgs",):
        for root in _installed_cfgs():
            file = root.joinpath(*parts[1:])
            if file.is_file():
                return file
    return None


def find_files(pattern: str) -> list[str]:
    """Returns the paths that `find_file` finds and that match a pattern (`cfgs/env/*.py`), sorted; `__init__.py` is none."""
    found = {file.as_posix() for file in Path().glob(pattern)}
    if pattern.startswith("cfgs/"):
        for root in _installed_cfgs():
            found |= {(Path("cfgs") / file.relative_to(root)).as_posix() for file in root.glob(pattern[len("cfgs/") :])}
    return sorted(path for path in found if not path.endswith("__init__.py"))


def load_file(path: str, where: str = "") -> tuple[Any, str]:
    """Runs a config file.

    Args:
        path: As the user wrote it.
        where: Group that it is for, for messages.

    Returns:
        Its `export`, and its text.

    Raises:
        ConfigError: When there is no such file, when it raises, or has no export.
    """
    file = find_file(path)
    if file is None:
        raise SourceError(where, path, "is not there", _nearest_file(path))
    if file.suffix != ".py":
        raise SourceError(
            where,
            path,
            f"is a '{file.suffix}' file; a config is a Python file (.py) with an 'export'",
            str(file.with_suffix(".py")) if file.with_suffix(".py").is_file() else "",
        )
    _see_current_directory()
    text = file.read_text(encoding="utf-8")
    module = types.ModuleType(CONFIG_MODULE)
    module.__file__ = str(file)
    before = sys.modules.get(CONFIG_MODULE)
    sys.modules[CONFIG_MODULE] = module
    try:
        exec(compile(text, str(file), "exec", dont_inherit=True), module.__dict__)
    except Exception as error:
        raise RecipeError(path, _line_of(error, str(file)), error) from error
    finally:
        sys.modules.pop(CONFIG_MODULE)
        if before is not None:
            sys.modules[CONFIG_MODULE] = before
    return _export_of(module, path), text


def load_group(source: str, where: str) -> Any:
    """Returns the group that a source on the command line names: a file's or a module's export, or a class.

    Raises:
        ConfigError: When it leads nowhere, raises, or exports no group.
    """
    if source.endswith(".py") or os.sep in source:
        group, _ = load_file(source, where)
    else:
        found = _import(source, where)
        group = _export_of(found, source) if isinstance(found, types.ModuleType) else found
        if isinstance(group, type) and not hasattr(group, "is_config_node"):
            return {"cls": group}
    if isinstance(group, Mapping) and "cls" not in group:
        raise ExportError(source, group=True)
    return group


def _export_of(module: types.ModuleType, name: str) -> Any:
    if not hasattr(module, "export"):
        raise ExportError(name, missing=True)
    export = module.export
    if not (isinstance(export, (Mapping, Replacement)) or (isinstance(export, type) and hasattr(export, "is_config_node"))):
        raise ExportError(name, export)
    return export


def _import(dotted: str, where: str) -> Any:
    """Returns the module, or the class inside a module, that a dotted name leads to."""
    _see_current_directory()
    parts = dotted.split(".")
    if not all(part.isidentifier() for part in parts):
        raise SourceError(where, dotted, "is not there", _nearest_file(dotted))
    module, rest = None, parts
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        try:
            module, rest = importlib.import_module(name), parts[count:]
        except ModuleNotFoundError as error:
            if error.name is not None and (error.name == name or name.startswith(error.name + ".")):
                break
            raise RecipeError(name, None, error) from error
        except Exception as error:
            raise RecipeError(name, None, error) from error
    if module is None:
        raise SourceError(where, dotted, f"is not there: no module '{parts[0]}'", _nearest_file(dotted))
    found: Any = module
    for part in rest:
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=1)
            prefix = dotted[: -len(".".join(rest))]
            raise SourceError(where, dotted, f"is not there: no '{part}' in '{found.__name__}'", prefix + near[0] if near else "")
        found = getattr(found, part)
    if not isinstance(found, (type, types.ModuleType)):
        raise SourceError(where, dotted, f"is a {type(found).__name__}")
    return found


def _see_current_directory() -> None:
    """Lets recipes import what stands in the current directory, after everything installed: a user's own classes."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def _installed_cfgs() -> Iterator[Path]:
    spec = importlib.util.find_spec("cfgs")
    for root in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield Path(root)


def _nearest_file(path: str) -> str:
    names = []
    parent = Path(path).parent
    if parent.is_dir():
        names += [str(file) for file in parent.glob("*.py")]
    for root in [Path("cfgs"), *_installed_cfgs()]:
        names += [str(Path("cfgs") / file.relative_to(root)) for file in root.rglob("*.py") if file.name != "__init__.py"]
    near = difflib.get_close_matches(path, names, n=1)
    return near[0] if near else ""


def _line_of(error: Exception, file: str) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else None
