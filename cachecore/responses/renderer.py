"""The API's JSON encoder, msgspec: fast, strict (no NaN), times in ISO 8601 with offset."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework.renderers import JSONRenderer

encoder = msgspec.json.Encoder()


class MsgspecJSONRenderer(JSONRenderer):
    """DRF's JSON renderer on top of msgspec. Lazy strings and objects of other types are converted by `str`."""

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
        except UnicodeEncodeError:  # a client sent a lone surrogate: return it escaped, as it was received
            return json.dumps(data, default=str).encode()
