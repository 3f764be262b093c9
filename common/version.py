"""The version of the product. This is its only place: the API and pyproject.toml read it."""

VERSION = "0.1.0"
