"""Where the mass of a density lies, and sums over it: normalisers and the nodes that carry a density."""
