"""Invertible maps of SO(3) with known densities: the layers of `SO3Flow`."""

from armillary.distributions.families.flow_layers.layer import FlowLayer as FlowLayer
from armillary.distributions.families.flow_layers.moebius_coupling import MoebiusCoupling as MoebiusCoupling
from armillary.distributions.families.flow_layers.quaternion_affine import QuaternionAffine as QuaternionAffine
