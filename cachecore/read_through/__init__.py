"""What a read comes to: a value that stands, or one computed once over threads, tasks and processes."""
