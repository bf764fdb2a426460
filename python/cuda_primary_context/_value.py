"""What reports and the like have in common: they are plain values."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Dict, List, Union

Json = Union[None, bool, int, float, str, List["Json"], Dict[str, "Json"]]


class Value:
    """A frozen dataclass as the JSON object that the Rust crate makes of it."""

    def to_dict(self) -> dict[str, Any]:
        """As a JSON object. What does not apply to this value is left out."""
        assert dataclasses.is_dataclass(self)
        told = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            # A field with the default None is one that does not apply to every value.
            if field.compare and not (value is None and field.default is None):
                told[field.name] = _plain(value)
        return told

    def to_json(self) -> str:
        """As the text of a JSON object, in one line."""
        return json.dumps(self.to_dict())


def _plain(value: Any) -> Json:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "to_dict"):
        plain: dict[str, Json] = value.to_dict()
        return plain
    known: Json = value
    return known
