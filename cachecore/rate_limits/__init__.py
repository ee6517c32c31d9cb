"""Rate limits over all processes, on the windows of the `limits` library in the state role. docs/rate-limits.md"""
