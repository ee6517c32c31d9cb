"""What operators and beat do with the cache: warm, clear, compare, switch, document."""
