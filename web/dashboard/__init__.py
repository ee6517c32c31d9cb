"""The dashboard at `/`: panels rendered once per version, from the answers of the API. docs/dashboard.md"""
