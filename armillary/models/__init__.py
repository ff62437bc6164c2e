"""Models: compositions of layers whose forward returns a distribution over rotations."""

from armillary.models.harmonic_regression import HarmonicRegression as HarmonicRegression
from armillary.models.harmonic_regression import HarmonicRegressionConfig as HarmonicRegressionConfig
from armillary.models.image2sphere import Image2Sphere as Image2Sphere
from armillary.models.image2sphere import Image2SphereConfig as Image2SphereConfig
from armillary.models.model import HarmonicModel as HarmonicModel
from armillary.models.model import Model as Model
from armillary.models.model import PointModel as PointModel
from armillary.models.pretrained import from_pretrained as from_pretrained
from armillary.models.pretrained import read_metadata as read_metadata
from armillary.models.siamese_regression import SiameseRegression as SiameseRegression
from armillary.models.siamese_regression import SiameseRegressionConfig as SiameseRegressionConfig
from armillary.models.spherical_embedding import SphericalEmbedding as SphericalEmbedding
from armillary.models.spherical_embedding import SphericalEmbeddingConfig as SphericalEmbeddingConfig
from armillary.models.spherical_regression import SphericalRegression as SphericalRegression
from armillary.models.spherical_regression import SphericalRegressionConfig as SphericalRegressionConfig
from armillary.models.spherical_teacher import SphericalTeacher as SphericalTeacher
from armillary.models.spherical_teacher import SphericalTeacherConfig as SphericalTeacherConfig
from armillary.models.viewpoint_regression import ViewpointRegression as ViewpointRegression
from armillary.models.viewpoint_regression import ViewpointRegressionConfig as ViewpointRegressionConfig
