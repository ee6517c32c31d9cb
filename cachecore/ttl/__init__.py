"""How long values live: tiers, settings, an operator's word, tuning."""
