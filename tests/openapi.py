"""The generated OpenAPI schema, and its parts as JSON Schema."""

from pathlib import Path

import yaml
from django.core.management import call_command

OPTIONAL = {"errors"}  # fields that an error response may omit


def generated_schema(folder: Path) -> dict:
    """Return the schema. Fail if generating it gives a warning."""
    file = folder / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    return yaml.safe_load(file.read_text())


def strict(part):
    """Convert OpenAPI 3.0 to JSON Schema that allows no undocumented field."""
    if isinstance(part, list):
        return [strict(item) for item in part]
    if not isinstance(part, dict):
        return part
    part = {name: strict(value) for name, value in part.items()}
    if "properties" in part:
        part |= {"additionalProperties": False, "required": sorted(part["properties"].keys() - OPTIONAL)}
    if part.pop("nullable", False):
        return {"anyOf": [part, {"type": "null"}]}
    return part
