"""Fuzzing: hostile input against the whole product, and what every answer must still be.

Invariant: whatever is sent, the server answers in time, by its contract, within its memory.
"""
