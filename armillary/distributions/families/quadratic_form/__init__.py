"""Densities that are a function of one quadratic form of the quaternion: what Fisher, Bingham and Laplace share."""
