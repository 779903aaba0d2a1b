"""Tables: what their columns mean, from cells to numbers and back."""
