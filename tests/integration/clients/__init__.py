"""The clients against a server."""
