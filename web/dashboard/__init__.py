"""The dashboard at `/`: panels rendered once per version from the API's results. docs/dashboard.md"""
