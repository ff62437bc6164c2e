"""The last act of training a model of point answers: its noise, fitted on views it was not trained on."""

import torch

from armillary.data import ImageStore, centre_crop
from armillary.data.evenly import evenly_chosen
from armillary.models import PointModel

# Views looked at: the standard error of a standard deviation is then 1.5 %.
MOST_VIEWS = 2048
BATCH_SIZE = 64


def fit_noise(model: PointModel, views: ImageStore) -> None:
    """Fit the noise of a model's answers on views, evenly spaced if there are many; the rest of the model is left.

    Example:
        >>> from armillary.data import Sample
        >>> from armillary.models import SphericalRegressionConfig
        >>> model = SphericalRegressionConfig(hidden=8).build()
        >>> sample = Sample(torch.rand(3, 48, 48), torch.eye(3))
        >>> fit_noise(model, ImageStore.from_samples([sample] * 3, size=48, progress=False))
        >>> bool(model.noise.sigma > 0)
        True
    """
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    index = evenly_chosen(len(views), MOST_VIEWS)
    said, truth = [], []
    for part in index.split(BATCH_SIZE):
        batch = centre_crop(views[part], model.config.image_size).to(device)
        with torch.no_grad():
            said.append(model.answers(batch.images, batch.category))
        truth.append(batch.rotations)
    rotations, logits = (torch.cat(parts) for parts in zip(*said, strict=True))
    model.noise.fit(rotations, logits, torch.cat(truth))
    model.train(was_training)
