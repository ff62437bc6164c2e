"""Place in a crop, joint poses, the pose model: the same metres whatever the crop, exact densities."""

import pytest
import torch
from scipy.stats import multivariate_normal, multivariate_t

from armillary.data import Augmentation, ImageStore, Sample
from armillary.data.camera import project
from armillary.data.virtual_camera import aim
from armillary.distributions import MatrixFisher
from armillary.distributions.pose import PoseDistribution
from armillary.models.crop_place import place_in_crop, place_jacobian, translation_of_place
from armillary.models.spacecraft_pose import SpacecraftPose, SpacecraftPoseConfig
from armillary.nn.place_head import Place, PlaceHead
from armillary.so3 import geodesic_distance, random_rotations

SIZE, RADIUS = 32, 0.7
CONFIG = SpacecraftPoseConfig(image_size=SIZE, lmax=3, place_hidden=32, radius=RADIUS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scene(count: int = 16) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Positions in a camera, and virtual cameras that look past them: rotations and intrinsics."""
    draw = generator(1)
    position = torch.randn(count, 3, generator=draw) * 0.4 + torch.tensor([0.0, 0, 6])
    direction = position + 0.3 * torch.randn(count, 3, generator=draw)
    focal, turn = 60 + 200 * torch.rand(count, generator=draw), 6.28 * torch.rand(count, generator=draw)
    camera = aim(direction, focal, SIZE, turn)
    return position, camera.rotation, camera.intrinsics


def test_every_crop_of_a_scene_gives_the_same_metres() -> None:
    position, rotation, intrinsics = scene()
    seen = (rotation @ position[..., None])[..., 0]
    place = place_in_crop(seen, intrinsics, SIZE, RADIUS)
    back = (rotation.mT @ translation_of_place(place, intrinsics, SIZE, RADIUS)[..., None])[..., 0]
    # float32 rounding at 6 m.
    assert (back - position).abs().max() < 1e-5


def test_a_longer_lens_from_farther_away_is_the_same_place() -> None:
    position, _, intrinsics = scene()
    far = position * torch.tensor([1.0, 1.0, 3.0])
    longer = intrinsics.clone()
    longer[:, 0, 0] *= 3
    longer[:, 1, 1] *= 3
    near_place, far_place = (place_in_crop(t, k, SIZE, RADIUS) for t, k in ((position, intrinsics), (far, longer)))
    assert (near_place - far_place).abs().max() < 1e-5


def test_the_jacobian_is_the_derivative() -> None:
    position, _, intrinsics = (each.double() for each in scene(3))
    place = place_in_crop(position, intrinsics, SIZE, RADIUS)
    exact = torch.autograd.functional.jacobian(
        lambda p: translation_of_place(p, intrinsics, SIZE, RADIUS).sum(0), place
    )
    assert (place_jacobian(place, intrinsics, SIZE, RADIUS) - exact.movedim(1, 0)).abs().max() < 1e-10


def test_labels_of_shifted_turned_and_zoomed_crops_point_at_what_the_pixels_show() -> None:
    """A bright spot at the object's origin is where the augmented label's place says."""
    rows, columns = torch.arange(96.0)[:, None], torch.arange(96.0)
    intrinsics = torch.tensor([[150.0, 0, 47.5], [0, 150, 47.5], [0, 0, 1]])
    position = torch.tensor([0.4, -0.3, 3.0])
    u, v = project(torch.zeros(1, 3), torch.eye(3), position, intrinsics)[0]
    spot = torch.exp(-((columns - u) ** 2 + (rows - v) ** 2) / 8).expand(3, -1, -1)
    box = torch.stack([u - 20, v - 20, u + 26, v + 24])
    sample = Sample(spot, torch.eye(3), position, intrinsics, box=box)
    store = ImageStore.from_samples([sample] * 12, size=72, progress=False)
    looks = Augmentation(size=48, shift=0.15, zoom=0.2, gain=0.0, tone=0.0, noise=0.0, blur=0.0)
    batch = looks(store, generator(2))
    place = place_in_crop(batch.translations, batch.intrinsics, 48, RADIUS)
    light = batch.images[:, 0] / batch.images[:, 0].sum((1, 2), keepdim=True)
    ends = (2 * torch.arange(48) + 1) / 48 - 1
    centroid = torch.stack([(light.sum(1) * ends).sum(1), (light.sum(2) * ends).sum(1)], -1)
    # 0.02 is half a pixel: the spot is cut off by no edge, and 8 bits of grey blur it evenly.
    assert (place[:, :2] - centroid).abs().max() < 0.02
    assert place[:, :2].std() > 0.05
    metres = translation_of_place(place, batch.intrinsics, 48, RADIUS)
    assert (metres.norm(dim=-1) - position.norm()).abs().max() < 1e-5


@pytest.mark.parametrize("freedom", [0.0, 4.0])
def test_the_density_of_a_place_is_that_of_scipy(freedom: float) -> None:
    torch.manual_seed(0)
    place = PlaceHead(5, 8, freedom)(torch.randn(4, 5))
    place = Place(place.mean.double(), place.whitening.double(), freedom)
    value = torch.randn(4, 3, generator=generator()).double()
    scale = torch.linalg.inv(place.whitening.mT @ place.whitening)
    for row in range(4):
        mean, shape, at = (each[row].detach().numpy() for each in (place.mean, scale, value))
        law = multivariate_t(mean, shape, df=freedom) if freedom else multivariate_normal(mean, shape)
        assert abs(law.logpdf(at) - place.log_prob(value)[row].item()) < 1e-9
    factor = 2.0 if freedom else 1.0
    assert (place.covariance() - factor * scale).abs().max() < 1e-10


def poses(count: int = 3) -> PoseDistribution:
    draw = generator(3)
    factor = torch.randn(count, 3, 3, generator=draw).tril() * 0.1 + 0.3 * torch.eye(3)
    rotation = MatrixFisher(10 * random_rotations(count, generator=draw))
    return PoseDistribution(rotation, torch.randn(count, 3, generator=draw), factor @ factor.mT)


def test_a_joint_density_is_the_product_and_turns_with_the_camera() -> None:
    pose, turn = poses(), random_rotations(3, generator=generator(4))
    rotation, translation = random_rotations(3, generator=generator(5)), pose.translation + 0.2
    normal = torch.distributions.MultivariateNormal(pose.translation, pose.covariance)
    expected = pose.rotation.log_prob(rotation) + normal.log_prob(translation)
    assert (pose.log_prob(rotation, translation) - expected).abs().max() < 1e-4
    moved = pose.turned(turn).log_prob(turn @ rotation, (turn @ translation[..., None])[..., 0])
    # The normaliser of a turned density is found anew, to 1e-3 nats.
    assert (moved - expected).abs().max() < 2e-3


def test_draws_of_a_pose_have_its_mean_and_covariance() -> None:
    one = poses(1)
    wide = PoseDistribution(
        one.rotation.expand((4000,)), one.translation.expand(4000, 3), one.covariance.expand(4000, 3, 3)
    )
    rotation, translation = wide.sample(generator(6))
    # Six standard errors of 4000 draws with deviations below 0.6.
    assert (translation.mean(0) - one.translation[0]).abs().max() < 0.06
    assert (translation.T.cov() - one.covariance[0]).abs().max() < 0.06
    assert geodesic_distance(rotation, one.rotation.mode).median() < 0.6


def test_a_pose_says_itself_in_plain_numbers() -> None:
    first, second, third = poses().to_json()
    assert len(first["rotation"]) == 3 and len(second["translation"]) == 3
    assert third["rotation_region90_deg"] > 0 and min(third["translation_deviation"]) > 0


def batch(count: int = 8) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    images = torch.rand(count, 3, SIZE, SIZE, generator=generator(7))
    position, _, intrinsics = scene(count)
    return images, (random_rotations(count, generator=generator(8)), position, intrinsics)


@pytest.mark.parametrize("translation", ["place", "metres"])
def test_losses_reach_every_weight(translation: str) -> None:
    model = SpacecraftPoseConfig(image_size=SIZE, lmax=3, hidden=32, translation=translation).build().train()
    images, truth = batch()
    model.set_scale(truth[1])
    (sum(loss.mean() for loss in model.losses(model.answer(images), *truth))).backward()
    allowed = {"place_head.log_sharpness"} if translation == "metres" else set()
    missing = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert missing <= allowed


@pytest.mark.parametrize("translation", ["place", "metres"])
def test_one_batch_can_be_learned(translation: str) -> None:
    torch.manual_seed(0)
    model = SpacecraftPoseConfig(**{**vars(CONFIG), "translation": translation}).build().train()
    images, truth = batch()
    model.set_scale(truth[1])
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(40):
        optimiser.zero_grad()
        sum(loss.mean() for loss in model.losses(model.answer(images), *truth)).backward()
        optimiser.step()
    pose = model.pose(images, truth[2])
    assert geodesic_distance(pose.rotation.mode, truth[0]).max() < 0.3
    # Of 6 m.
    assert (pose.translation - truth[1]).norm(dim=-1).median() < 0.3
    assert (torch.linalg.eigvalsh(pose.covariance) > 0).all()


def test_the_fork_answers_with_the_mean_of_the_training_set_when_untrained() -> None:
    model = SpacecraftPoseConfig(image_size=SIZE, lmax=2, translation="metres").build().eval()
    torch.nn.init.zeros_(model.place_head.last.weight)
    positions = torch.randn(50, 3, generator=generator()) + torch.tensor([0.0, 0, 9])
    model.set_scale(positions)
    images, (_, _, intrinsics) = batch(2)
    pose = model.pose(images, intrinsics)
    assert (pose.translation - positions.mean(0)).abs().max() < 1e-6
    assert (pose.covariance[0].diagonal() - positions.var(0) / 2).abs().max() < 1e-5


def test_a_saved_model_answers_the_same(tmp_path) -> None:
    model = CONFIG.build().eval()
    images, (_, _, intrinsics) = batch(2)
    model.save_pretrained(tmp_path)
    again = SpacecraftPose.from_pretrained(tmp_path)
    first, second = (each.pose(images, intrinsics) for each in (model, again))
    assert torch.equal(first.translation, second.translation) and again.config == CONFIG
    assert torch.equal(first.rotation.coeffs, model(images).coeffs)


@pytest.mark.parametrize("values", [{"lmax": 0}, {"radius": 0.0}, {"freedom": 1.0}, {"image_size": 8}])
def test_impossible_configurations_are_refused(values: dict) -> None:
    with pytest.raises(ValueError, match="expected .*, got"):
        SpacecraftPoseConfig(**values)
