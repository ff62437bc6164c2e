"""Following a moving object: a belief over rotation and angular velocity, updated by a network's densities."""

from armillary.tracking.belief import Belief as Belief
from armillary.tracking.filter import Estimate as Estimate
from armillary.tracking.filter import Event as Event
from armillary.tracking.filter import RotationFilter as RotationFilter
from armillary.tracking.motion import ConstantVelocity as ConstantVelocity
from armillary.tracking.motion import MeasuredVelocity as MeasuredVelocity
from armillary.tracking.motion import Motion as Motion
from armillary.tracking.track import Observation as Observation
from armillary.tracking.track import Track as Track
from armillary.tracking.track import track as track
from armillary.tracking.translation import TranslationFilter as TranslationFilter
from armillary.tracking.tumble import Camera as Camera
from armillary.tracking.tumble import Tumble as Tumble
from armillary.tracking.tumble import random_tumble as random_tumble
from armillary.tracking.tumble import tumble as tumble
