"""The checks, one family a file: each is a function from a subject to a result."""
