"""The live stream, `GET /api/stream/`: sends every change of the live view to all clients. docs/stream.md"""
