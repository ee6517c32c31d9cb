"""Rate limits over all processes: the `limits` library's windows in the state role. See docs/rate-limits.md."""
