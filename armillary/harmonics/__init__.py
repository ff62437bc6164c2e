"""Real harmonics on the sphere and SO(3): evaluation, fast transforms, rotation, correlation, peaks."""

from armillary.harmonics.align import Alignment as Alignment
from armillary.harmonics.align import align_s2 as align_s2
from armillary.harmonics.align import align_so3 as align_so3
from armillary.harmonics.correlation import correlate as correlate
from armillary.harmonics.correlation import correlate_so3 as correlate_so3
from armillary.harmonics.derivative import derivative_coeffs as derivative_coeffs
from armillary.harmonics.derivative import expand_so3 as expand_so3
from armillary.harmonics.healpix_grid import evaluate_on_so3_grid as evaluate_on_so3_grid
from armillary.harmonics.heaviest_cells import heaviest_cells as heaviest_cells
from armillary.harmonics.layout import s2_lmax as s2_lmax
from armillary.harmonics.layout import s2_size as s2_size
from armillary.harmonics.layout import so3_lmax as so3_lmax
from armillary.harmonics.layout import so3_size as so3_size
from armillary.harmonics.layout import split_degrees as split_degrees
from armillary.harmonics.peaks import find_peaks as find_peaks
from armillary.harmonics.rotate import rotate_s2 as rotate_s2
from armillary.harmonics.rotate import rotate_so3 as rotate_so3
from armillary.harmonics.s2_transform import S2Transform as S2Transform
from armillary.harmonics.so3_transform import SO3Transform as SO3Transform
from armillary.harmonics.spherical import evaluate_s2 as evaluate_s2
from armillary.harmonics.spherical import spherical_harmonics as spherical_harmonics
from armillary.harmonics.wigner import evaluate_so3 as evaluate_so3
from armillary.harmonics.wigner import wigner_D as wigner_D
