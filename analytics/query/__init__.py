"""The query parameters that several analytics endpoints share: conditions, windows and the limit of rows."""
