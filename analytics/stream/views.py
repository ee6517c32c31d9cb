"""The stream's URL in Django: its entry in the OpenAPI schema, and the response of servers without ASGI."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.stream.requests import EXAMPLE, PARAMETER
from analytics.stream.schema import StreamEventSerializer

DESCRIPTION = """Server-sent events for `EventSource`: a `snapshot`, then every change as it happens.

The schema describes one event: `event` is its name, `data` its JSON data, `id` its id, which only `snapshot` and
`analytics` have. Times are in UTC; `X-Timezone` has no effect.

- `snapshot`: the live view with its newest games. Sent first, unless the client continues after an id, and after
  `reset`.
- `game`: a changed game. A large batch has such events for its newest twenty games only.
- `analytics`: the end of a batch, with its id. A client that is cut off within a batch gets the whole batch again.
- `reset`: the client's data cannot be continued; discard them, a `snapshot` follows.
- `degraded`, `resumed`: changes cannot be read at present; they can be read again. No change is missing unless a
  `reset` was sent."""


class ASGIServerRequired(APIException):
    status_code = status.HTTP_501_NOT_IMPLEMENTED
    default_detail = "The live stream is served by the ASGI server (config.asgi) only."


class StreamView(APIView):
    authentication_classes = []

    @extend_schema(
        operation_id="stream",
        description=DESCRIPTION,
        parameters=[
            OpenApiParameter(
                PARAMETER, OpenApiTypes.STR, description=f"Continue after this event, such as `{EXAMPLE}`."
            ),
            OpenApiParameter(
                "Last-Event-ID",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="The same as the parameter, over which it takes precedence.",
            ),
        ],
        responses={(200, "text/event-stream"): OpenApiResponse(StreamEventSerializer, "An endless stream of events.")},
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        raise ASGIServerRequired
