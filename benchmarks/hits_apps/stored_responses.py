"""Responses stored on disk for the bare server: the headers as JSON, the body in a file of its own."""

import json
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
StoredResponse = tuple[Message, Message]

SET_BY_SERVER = ("server", "date")


def save(directory: Path, path: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    """Store the response that the bare server sends for `path`, which has no query."""
    stored = [(name, value) for name, value in headers if name not in SET_BY_SERVER]
    head = directory / f"{path.strip('/').replace('/', '.')}.json"
    head.write_text(json.dumps({"path": path, "headers": stored}))
    head.with_suffix(".body").write_bytes(body)


def load(directory: Path) -> dict[str, StoredResponse]:
    """Return the responses as ASGI messages, by path."""
    return dict(_read(head) for head in directory.glob("*.json"))


def _read(file: Path) -> tuple[str, StoredResponse]:
    head = json.loads(file.read_text())
    headers = [(name.encode(), value.encode()) for name, value in head["headers"]]
    return head["path"], (
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": file.with_suffix(".body").read_bytes()},
    )
