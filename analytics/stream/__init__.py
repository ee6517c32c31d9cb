"""The live stream, `GET /api/stream/`: what the view's script tells, to every client, without a hole. docs/stream.md"""
