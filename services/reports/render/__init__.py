"""Renderers: a finished report in, bytes out. None of them knows a database."""
