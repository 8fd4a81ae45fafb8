"""Parts of a vendor's wire that rest on guesses, as files that an operator can replace.

Each vendor's folder holds its own under `templates/`. A file of the same name in the operator's
folder, `<folder>/<vendor>/<file>`, stands in for it: `*.j2` are Jinja2 templates of XML, `*.json`
are names, of which the operator's file may give some only. Nothing here runs code out of a template
(Jinja2's sandbox), and every value is escaped.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from frontdesk.vendors import xml
from frontdesk.vendors.declaration import Template

LARGEST_FILE = 256 * 1024

_folder: Path | None = None


class BadTemplateError(Exception):
    """An operator's template cannot be used; the message names the file and what is wrong."""


def use_folder(folder: Path | None) -> None:
    """Take the operator's templates from here from now on; None: only the packaged ones. Called
    once, when a process starts."""
    global _folder
    _folder = folder
    _compiled.cache_clear()
    names.cache_clear()


def render(vendor: str, file: str, values: Mapping[str, str | None]) -> bytes:
    """The XML of a template. Values are escaped; a None is false in conditions."""
    return str(_compiled(vendor, file).render(dict(values))).strip().encode()


@cache
def names(vendor: str, file: str) -> Mapping[str, str]:
    """The names of a JSON file, the operator's before the packaged ones."""
    packaged: dict[str, str] = json.loads(_packaged(vendor, file))
    own = _own(vendor, file)
    return packaged if own is None else packaged | _checked_names(own, packaged)


def packaged_text(vendor: str, file: str) -> str:
    """The packaged file, as something to start from."""
    return _packaged(vendor, file)


def replacement(folder: Path, vendor: str, file: str) -> Path | None:
    """The file in an operator's folder that stands in for this one, if there is one."""
    path = folder / vendor.lower() / file
    return path if path.is_file() else None


def check(vendor: str, template: Template) -> None:
    """Try the operator's file, if there is one. Raises BadTemplateError."""
    path = _own(vendor, template.file)
    if path is None:
        return
    if path.suffix == ".json":
        _checked_names(path, json.loads(_packaged(vendor, template.file)))
        return
    environment = _environment()
    try:
        tree = environment.parse(_text(path))
        unknown = meta.find_undeclared_variables(tree) - set(template.variables)
        if unknown:
            raise BadTemplateError(
                f"{path}: there is no {', '.join(sorted(unknown))} to use; there are: "
                f"{', '.join(template.variables)}."
            )
        sample = dict.fromkeys(template.variables, "1")
        xml.parse(environment.from_string(_text(path)).render(sample).strip().encode())
    except TemplateError as error:
        raise BadTemplateError(f"{path}: {error}") from error
    except xml.NotXmlError as error:
        raise BadTemplateError(f"{path}: what it makes is no XML: {error}") from error


@cache
def _compiled(vendor: str, file: str) -> Any:
    own = _own(vendor, file)
    text = _packaged(vendor, file) if own is None else _text(own)
    return _environment().from_string(text)


def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalised,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalised(value: object) -> object:
    # Escaped here, because Jinja2's own escaping is HTML's: it leaves a carriage return as it is.
    return Markup(xml.escape(value)) if isinstance(value, str) else value  # noqa: S704 — escaped


def _packaged(vendor: str, file: str) -> str:
    folder = resources.files(f"frontdesk.vendors.{vendor.lower()}") / "templates"
    return (folder / file).read_text(encoding="utf-8")


def _own(vendor: str, file: str) -> Path | None:
    return None if _folder is None else replacement(_folder, vendor, file)


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST_FILE:
        raise BadTemplateError(f"{path} is larger than {LARGEST_FILE // 1024} KiB.")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise BadTemplateError(f"{path} cannot be read: {error}") from error


def _checked_names(path: Path, packaged: Mapping[str, str]) -> dict[str, str]:
    try:
        own = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise BadTemplateError(f"{path} is no JSON: {error}") from error
    if not isinstance(own, dict) or not all(isinstance(value, str) for value in own.values()):
        raise BadTemplateError(f"{path} must be one object of strings.")
    unknown = own.keys() - packaged.keys()
    if unknown:
        raise BadTemplateError(
            f"{path}: no such name: {', '.join(sorted(unknown))}; there are: {', '.join(packaged)}."
        )
    return own
