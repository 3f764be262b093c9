"""The answers of the API: one Pydantic model for each, which its route returns and declares."""
