"""Probability distributions over rotations: one interface, densities for normalised Haar measure."""

from armillary.distributions.base import CredibleRegion as CredibleRegion
from armillary.distributions.base import Modes as Modes
from armillary.distributions.base import SO3Distribution as SO3Distribution
from armillary.distributions.cells import cell_log_likelihood as cell_log_likelihood
from armillary.distributions.cells import cell_log_probs as cell_log_probs
from armillary.distributions.families.bingham import Bingham as Bingham
from armillary.distributions.families.discrete import discrete as discrete
from armillary.distributions.families.discrete import fit_noise as fit_noise
from armillary.distributions.families.flow import FlowTransform as FlowTransform
from armillary.distributions.families.flow import SO3Flow as SO3Flow
from armillary.distributions.families.flow_layers import FlowLayer as FlowLayer
from armillary.distributions.families.flow_layers import MoebiusCoupling as MoebiusCoupling
from armillary.distributions.families.flow_layers import QuaternionAffine as QuaternionAffine
from armillary.distributions.families.harmonic import HarmonicDistribution as HarmonicDistribution
from armillary.distributions.families.harmonic import Normaliser as Normaliser
from armillary.distributions.families.implicit import ImplicitDistribution as ImplicitDistribution
from armillary.distributions.families.matrix_fisher import MatrixFisher as MatrixFisher
from armillary.distributions.families.mixture import Mixture as Mixture
from armillary.distributions.families.rotation_laplace import RotationLaplace as RotationLaplace
from armillary.distributions.families.uniform import Uniform as Uniform
from armillary.distributions.integration.adaptive_grid import AdaptiveGrid as AdaptiveGrid
from armillary.distributions.integration.adaptive_tree import AdaptiveTree as AdaptiveTree
from armillary.distributions.integration.turned_grid import TurnedGrid as TurnedGrid
