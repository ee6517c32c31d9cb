"""What a token may be used for. A view names the scope it requires as `required_scope`.

A scope narrows: the token's user still needs the permission that the view requires.
"""

SCOPES = {
    "ingest": "Record games (POST /api/games/)",
    "play": "Play the step game for the token's user (/api/play/)",
    "monitoring": "Read and clear the cache (/api/admin/monitoring/)",
}


def unknown(names: list[str]) -> list[str]:
    """Return the names that are no scopes, sorted."""
    return sorted(set(names) - SCOPES.keys())
