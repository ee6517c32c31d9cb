"""The TTLs of families: tiers, settings, operators, tuning."""
