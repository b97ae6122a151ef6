"""YAML and environment into `Settings`; all mistakes at once, each with file, line and key."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from configs.settings import Settings
from warehouse.errors import ConfigError

DEFAULT = Path(__file__).with_name("default.yaml")


def load(path: str | Path | None = None, **overrides: object) -> Settings:
    """Settings from the defaults, then `path` (else `P9_CONFIG`), then `P9_HOME`, then keyword `overrides`.

    Raises ConfigError listing every mistake.
    """
    chosen = path or os.environ.get("P9_CONFIG")
    file = Path(chosen) if chosen else DEFAULT
    merged = _merge(_read(DEFAULT), _read(file)) if file != DEFAULT else _read(DEFAULT)
    if home := os.environ.get("P9_HOME"):
        merged["home"] = home
    merged = _merge(merged, {key: value for key, value in overrides.items() if value is not None})
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_explain(error, file)) from None


def dump(settings: Settings, path: Path) -> None:
    """Write settings as a YAML file that `load` reads back to the same value."""
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file. Check P9_CONFIG or --config.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read as a configuration file: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a YAML text file: {error}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected keys and values at the top level, found {type(found).__name__}")
    return found


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merge(under, value) if isinstance(under, dict) and isinstance(value, Mapping) else value
    return merged


def _explain(error: ValidationError, file: Path) -> str:
    document = yaml.compose(file.read_text())
    mistakes = []
    for item in error.errors():
        keys = [str(part) for part in item["loc"] if part != "[key]"]
        words = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            close = difflib.get_close_matches(keys[-1], _fields(keys[:-1]), 1)
            words = "unknown key." + (f" Did you mean {close[0]!r}?" if close else "")
        elif item["type"] in ("model_type", "dict_type"):
            words = f"expected keys and values, found {item['input']!r}"
        elif item["type"] == "missing":
            words = "missing"
        else:
            words += f" (found {item['input']!r})" if words.startswith("Input") else ""
        mistakes.append((_line(document, item["loc"]), f"{'.'.join(keys) or 'settings'}: {words}"))
    return "\n".join(f"{file}:{line}: {words}" for line, words in sorted(mistakes))


def _fields(keys: list[str]) -> list[str]:
    model: Any = Settings
    for key in keys:
        field = model.model_fields.get(key) if isinstance(model, type) and issubclass(model, BaseModel) else None
        inner = field.annotation if field else model
        args = [arg for arg in get_args(inner) if isinstance(arg, type) and issubclass(arg, BaseModel)]
        model = args[0] if args else inner
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _line(node: yaml.Node | None, keys: tuple[int | str, ...]) -> int:
    """The line on which the innermost written part of `keys` stands; 1 where none of it does."""
    line = 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((name, value) for name, value in node.value if name.value == str(key)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line
