"""Operations that take densities and give densities: fusion, motion, symmetry."""
