"""The stream where no front door is (WSGI, runserver), and its place in the API's schema."""

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

DESCRIPTION = """An event stream for `EventSource`: a `snapshot`, then the changes as they happen.

The schema is that of the events: `event` is the event's name, `data` the JSON of its data, `id` its id, which only
`snapshot` and `analytics` have. Times are UTC whatever `X-Timezone` says.

- `snapshot`: the view now, with its newest games. Comes first, unless the client goes on from an id, and after `reset`.
- `game`: one for every changed game of a batch; of a large batch, for the newest twenty.
- `analytics`: the end of a batch, with its id. A client that is cut off inside a batch hears all of it again.
- `reset`: what the client knows does not lead here; forget it, a `snapshot` follows.
- `degraded`, `resumed`: changes cannot be read for now; they can again, and none is missing unless a `reset` came."""


class ASGIServerRequired(APIException):
    status_code = status.HTTP_501_NOT_IMPLEMENTED
    default_detail = "The live stream is served by the ASGI server (config.asgi) only."


class StreamView(APIView):
    authentication_classes = []

    @extend_schema(
        operation_id="stream",
        description=DESCRIPTION,
        parameters=[
            OpenApiParameter(PARAMETER, OpenApiTypes.STR, description=f"Go on after this event, such as `{EXAMPLE}`."),
            OpenApiParameter(
                "Last-Event-ID",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="The same; wins over the parameter.",
            ),
        ],
        responses={(200, "text/event-stream"): OpenApiResponse(StreamEventSerializer, "Events without end.")},
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        raise ASGIServerRequired
