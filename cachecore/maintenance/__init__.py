"""What beat and commands do with the cache: warm it by what was asked, hold it against the truth, document it."""
