"""The analytics API: one module per analytic.

A module holds everything that is particular to its analytic, in this order: the query class (the parameters that a
client may send), the serializers (the shape of the response, for the OpenAPI schema), the key family, `compute_result`
(from a valid query to the payload) and the view. The arithmetic itself is pure and lies in `analytics/compute/`.

Shared parts: `base` (the view class, families, serializers of `meta`), `common` (`meta` and number formats) and
`registry`, the list of all endpoints, from which URLs, key families and warmers are made.
"""
