"""The pages about games: the table, a game with its verification, and the verifier of any hash."""
