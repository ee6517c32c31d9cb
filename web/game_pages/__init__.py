"""The pages about games: the table, a game with its verification, and verifying any hash."""
