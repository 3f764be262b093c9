"""Fuzzing: send hostile input to the whole product and check every answer.

Invariant: for any input, the server answers in time, as its contract says, within its memory.
"""
