"""Sources of games: the interface (`base`), its implementations, and the loop that records (`monitor`)."""
