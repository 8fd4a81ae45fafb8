"""What stands in the OpenAPI document more than once, made one component that is referred to.

Features state their schemas whole; this finds the titled objects among them that repeat, so that nobody has
to register any. A title that means two different schemas is given to neither of the later ones.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def lifted(paths: Mapping[str, Any], taken: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The paths with references in place of what repeats, and the schemas by name. `taken`: names that
    are not free."""
    counted: Counter[str] = Counter()
    _count(paths, counted)
    found: dict[str, Any] = {}
    of: dict[str, str] = {}

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        if not _is_titled_object(value):
            return {name: put(inner) for name, inner in value.items()}
        key = _key(value)
        title = value["title"]
        if counted[key] > 1 and (title not in found or of[title] == key) and title not in taken:
            if title not in found:
                of[title] = key
                found[title] = {}
                found[title] = {name: put(inner) for name, inner in value.items()}
            return {"$ref": f"#/components/schemas/{title}"}
        return {name: put(inner) for name, inner in value.items()}

    return put(paths), dict(sorted(found.items()))


def _count(value: Any, counted: Counter[str]) -> None:
    if isinstance(value, list):
        for inner in value:
            _count(inner, counted)
    elif isinstance(value, dict):
        if _is_titled_object(value):
            counted[_key(value)] += 1
        for inner in value.values():
            _count(inner, counted)


def _is_titled_object(value: Mapping[str, Any]) -> bool:
    title = value.get("title")
    return (
        isinstance(title, str)
        and _NAME.fullmatch(title) is not None
        and isinstance(value.get("properties"), dict)
    )


def _key(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)
