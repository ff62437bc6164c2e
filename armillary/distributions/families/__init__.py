"""The families of distributions over rotations, one file each."""
