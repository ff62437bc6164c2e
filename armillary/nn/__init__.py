"""Layers: encoders, lifts to the sphere, spherical convolutions and activations, heads."""

from armillary.nn.activation import S2Activation as S2Activation
from armillary.nn.activation import SO3Activation as SO3Activation
from armillary.nn.backbone import ENCODERS as ENCODERS
from armillary.nn.backbone import TransformersEncoder as TransformersEncoder
from armillary.nn.backbone import make_encoder as make_encoder
from armillary.nn.convolution import S2Convolution as S2Convolution
from armillary.nn.convolution import SO3Convolution as SO3Convolution
from armillary.nn.encoder import Encoder as Encoder
from armillary.nn.encoder import SmallEncoder as SmallEncoder
from armillary.nn.filter import Filter as Filter
from armillary.nn.filter import HarmonicFilter as HarmonicFilter
from armillary.nn.filter import PointFilter as PointFilter
from armillary.nn.head import HarmonicHead as HarmonicHead
from armillary.nn.lift import HarmonicLift as HarmonicLift
from armillary.nn.lift import Lift as Lift
from armillary.nn.lift import SpatialLift as SpatialLift
from armillary.nn.point_noise import PointNoise as PointNoise
from armillary.nn.signs import SignTable as SignTable
from armillary.nn.sphere_head import SphereHead as SphereHead
from armillary.nn.sphere_prediction import SpherePrediction as SpherePrediction
from armillary.nn.spherical_exponential import spherical_exponential as spherical_exponential
from armillary.nn.spherical_exponential import spherical_flat as spherical_flat
