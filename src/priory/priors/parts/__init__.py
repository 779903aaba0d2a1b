"""What several priors are made of: starts, generators, pseudo-inputs, pruning, re-seeding."""
