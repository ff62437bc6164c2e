"""Spacecraft: render a satellite, train, measure and predict poses of six degrees of freedom."""
