"""Settings, composition and the local stack. Nothing is imported here: `config.stack` must stay small."""
