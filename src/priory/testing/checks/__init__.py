"""The checks, one family per file: each is a function from a subject to a result."""
