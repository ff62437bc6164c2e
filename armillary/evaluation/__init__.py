"""Evaluation in two stages: predictions to a file, figures from the file."""

from .baseline import nearest_neighbour as nearest_neighbour
from .evaluate import error_metrics as error_metrics
from .evaluate import errors as errors
from .evaluate import legacy_figures as legacy_figures
from .evaluate import mean_of as mean_of
from .evaluate import summarise as summarise
from .metrics import accuracy_at as accuracy_at
from .metrics import covered as covered
from .metrics import log_likelihood as log_likelihood
from .metrics import median_error as median_error
from .metrics import rotation_error as rotation_error
from .metrics import spread as spread
from .predictions import Predictions as Predictions
from .predictions import predict as predict
from .predictions import same_header as same_header
