"""Rotations, symmetry groups, grids and quadrature on the sphere and on SO(3)."""
