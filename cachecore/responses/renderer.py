"""JSON as the API speaks it, encoded by msgspec: fast, strict (no NaN), times as ISO 8601 with offset."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework.renderers import JSONRenderer

encoder = msgspec.json.Encoder()


class MsgspecJSONRenderer(JSONRenderer):
    """DRF's JSON renderer with msgspec underneath. Lazy strings and other strangers become text."""

    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        try:
            return msgspec.json.encode(data, enc_hook=str)
        except UnicodeEncodeError:  # a lone surrogate that a client sent comes back escaped, as it came
            return json.dumps(data, default=str).encode()
