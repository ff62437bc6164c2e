"""Laws of the image store: crops are true views, nothing is lost between reader, store and disk."""

import json
from pathlib import Path

import pytest
import torch

from armillary.data import DatasetInfo, ImageStore, Reader, Sample, centre_crop, open_dataset, project
from armillary.data.framing import estimate_spheres, plain_background_mask
from armillary.so3 import SymmetryGroup, random_rotations

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
CENTRE, RADIUS = torch.tensor([0.02, -0.03, 0.05]), 0.06


class Balls(Reader):
    """A ball off the object's origin, photographed by cameras that point near it; options take parts away."""

    def __init__(self, masks: bool = True, cluttered: bool = False, poses: bool = True, aim: float = 0.01) -> None:
        generator = torch.Generator().manual_seed(1)
        self.info = DatasetInfo("balls", ("ball",))
        self.rotations = random_rotations(40, generator=generator)
        in_camera = torch.tensor([0.0, 0, 0.8]) + aim * torch.randn(40, 3, generator=generator)
        self.translations = in_camera - self.rotations @ CENTRE
        self.intrinsics = torch.tensor([[160.0, 0, 50.0], [0, 160.0, 35.0], [0, 0, 1]])
        self.in_camera, self.masks, self.cluttered, self.poses = in_camera, masks, cluttered, poses

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Sample:
        rows, columns = torch.meshgrid(torch.arange(72.0), torch.arange(100.0), indexing="ij")
        rays = torch.stack([(columns - 50) / 160, (rows - 35) / 160, torch.ones_like(rows)], -1)
        rays = torch.nn.functional.normalize(rays, dim=-1)
        along = rays @ self.in_camera[index]
        mask = along**2 > self.in_camera[index].square().sum() - RADIUS**2
        noise = torch.rand(3, 72, 100, generator=torch.Generator().manual_seed(index))
        background = noise if self.cluttered else torch.full((3, 72, 100), 0.2)
        return Sample(
            torch.where(mask, torch.tensor([0.9, 0.5, 0.4])[:, None, None], background),
            self.rotations[index],
            self.translations[index] if self.poses else None,
            self.intrinsics if self.poses else None,
            mask if self.masks else None,
            name=f"ball {index}",
        )


@pytest.mark.parametrize("masks", [True, False])
def test_masks_or_a_plain_background_give_the_bounding_sphere(masks):
    info = estimate_spheres(Balls(masks=masks))
    # One pixel at this distance is 5 mm; forty views average it down.
    assert torch.linalg.vector_norm(info.centres[0] - CENTRE) < 0.002
    assert info.radii[0].item() == pytest.approx(RADIUS, rel=0.06)


def test_before_a_cluttered_background_the_optical_axes_meet_at_the_object():
    info = estimate_spheres(Balls(masks=False, cluttered=True))
    # The cameras miss the centre by 1 cm; forty of them average it down.
    assert torch.linalg.vector_norm(info.centres[0] - CENTRE) < 0.006
    # Half the shorter side of the picture at that distance: 0.8 x 36 / 160 / sqrt(1 + (36 / 160)^2).
    assert info.radii[0].item() == pytest.approx(0.176, rel=0.05)


def test_a_background_is_plain_or_it_is_not():
    assert plain_background_mask(torch.rand(3, 32, 32)) is None
    assert plain_background_mask(torch.full((3, 32, 32), 0.5)) is None


def test_the_object_fills_the_centre_of_every_crop():
    store = ImageStore.from_reader(Balls(masks=False, aim=0.04), size=48, margin=1.5, progress=False)
    ball = (centre_crop(store, 48).images[:, 0] > 0.7).float()
    rows, columns = ball.amax(2).sum(1), ball.amax(1).sum(1)
    # The ball's outline touches the crop's sides; where it left its photograph it is cut.
    assert rows.median() >= 45 and columns.median() >= 45
    assert ball[:, 20:28, 20:28].mean() > 0.98


def test_crops_keep_the_pose_exactly():
    reader = Balls()
    store = ImageStore.from_reader(reader, size=32, progress=False)
    assert torch.allclose(store.turns.mT @ store.rotations, reader.rotations, atol=1e-5)
    centre = project(CENTRE.expand(40, 1, 3), store.rotations, store.translations, store.intrinsics)
    assert (centre - 15.5).abs().max() < 1.0
    assert store.names[7] == "ball 7"


def test_without_poses_the_mask_frames_the_object():
    store = ImageStore.from_reader(Balls(poses=False, aim=0.03), size=48, progress=False)
    assert store.translations is None
    ball = (centre_crop(store, 48).images[:, 0] > 0.7).float()
    assert ball.amax(2).sum(1).median() >= 45


def test_without_mask_or_pose_the_whole_picture_is_kept():
    image = torch.rand(3, 20, 40)
    store = ImageStore.from_samples([Sample(image, torch.eye(3))], size=60, margin=1.5, progress=False)
    picture = centre_crop(store, 40).images[0]
    assert picture[:, :9].max() == 0 and picture[:, -9:].max() == 0
    assert (picture[:, 10:30].mean() - image.mean()).abs() < 0.02
    assert torch.allclose(store.rotations[0], torch.eye(3))


def test_a_store_survives_the_disk(tmp_path):
    store = ImageStore.from_reader(Balls(), size=32, progress=False)
    store.save(tmp_path / "a")
    mapped = ImageStore.from_reader(Balls(), size=32, folder=tmp_path / "b", progress=False)
    for loaded in (ImageStore.load(tmp_path / "a"), mapped, ImageStore.load(tmp_path / "b")):
        for name in ("images", "rotations", "intrinsics", "category", "turns", "translations"):
            assert torch.equal(getattr(loaded, name), getattr(store, name)), name
        assert loaded.names == store.names and loaded.info.to_json() == store.info.to_json()
    (tmp_path / "a" / "info.json").unlink()
    with pytest.raises(FileNotFoundError, match="build the image store again"):
        ImageStore.load(tmp_path / "a")


def test_an_index_or_a_slice_selects_samples():
    store = ImageStore.from_reader(Balls(), size=32, progress=False)
    part = store[torch.tensor([5, 3])]
    assert len(part) == 2 and part.names == ("ball 5", "ball 3")
    assert torch.equal(part.images, store.images[[5, 3]]) and len(store[10:]) == 30


def test_threads_do_not_change_the_store():
    one = ImageStore.from_reader(Balls(), size=32, threads=1, progress=False)
    four = ImageStore.from_reader(Balls(), size=32, threads=4, progress=False)
    assert torch.equal(one.images, four.images) and one.names == four.names


def test_a_training_sets_info_holds_for_other_data():
    spheres = {"centres": torch.stack([CENTRE * 0, CENTRE]), "radii": torch.ones(2) * 0.1}
    store = ImageStore.from_reader(
        Balls(), 32, info=DatasetInfo("training", ("other", "ball"), **spheres), progress=False
    )
    assert store.info.categories == ("other", "ball") and bool((store.category == 1).all())
    # Radius 0.1 at 0.8 m with a margin of 1.5, not the ball's own 0.06.
    assert (16 / store.intrinsics[:, 0, 0]).median().item() == pytest.approx(1.5 * 0.1 / 0.8, rel=0.03)
    with pytest.raises(ValueError, match="got ball; use the categories the model was trained on"):
        ImageStore.from_reader(Balls(), info=DatasetInfo("training", ("cup", "can"), **spheres))


def test_a_single_object_may_be_called_otherwise_in_other_data():
    info = DatasetInfo("training", ("dino",), centres=CENTRE[None], radii=torch.tensor([0.1]))
    store = ImageStore.from_reader(Balls(), 32, info=info, progress=False)
    assert store.info.categories == ("dino",) and bool((store.category == 0).all())


def test_objects_of_one_name_share_a_category_and_its_largest_sphere():
    spheres = [(torch.full((3,), float(index)), radius) for index, radius in enumerate((1.0, 2.0, 3.0, 0.5))]
    groups = [SymmetryGroup.cyclic(order) for order in (2, 3, 4, 5)]
    info, category = DatasetInfo.of_objects("tools", ["nut", "bolt", "nut", "bolt"], groups, spheres)
    assert info.categories == ("nut", "bolt") and category == [0, 1, 0, 1]
    assert [group.order for group in info.symmetries] == [2, 3]
    assert info.radii.tolist() == [3.0, 2.0] and info.centres[:, 0].tolist() == [2.0, 1.0]


def test_the_info_survives_json():
    groups = (SymmetryGroup.tetrahedral(), SymmetryGroup.axial(), SymmetryGroup.trivial())
    info = DatasetInfo("x", ("a", "b", "c"), groups, torch.rand(3, 3), torch.rand(3))
    again = DatasetInfo.from_json(json.loads(json.dumps(info.to_json())))
    assert again.categories == info.categories and torch.equal(again.centres, info.centres)
    assert torch.equal(again.radii, info.radii)
    for one, two in zip(again.symmetries, groups, strict=True):
        assert one.order == two.order and one.name == two.name
        assert one.discrete.shape == two.discrete.shape and torch.allclose(one.discrete, two.discrete)


def test_an_empty_reader_is_refused():
    reader = Balls()
    reader.__class__ = type("NoBalls", (Balls,), {"__len__": lambda self: 0})
    with pytest.raises(ValueError, match="expected samples, got none"):
        ImageStore.from_reader(reader)


def test_the_photographed_dinosaur_is_found():
    path = SHARED / "dino_photos" / "dino_photos.npz"
    if not path.is_file():
        pytest.skip("needs dino_photos beside the checkout")
    info = estimate_spheres(open_dataset(path))
    # The data's own bounding box: centre, and half sides of 36, 44 and 37 mm.
    box_centre = torch.tensor([-0.0055, 0.0447, -0.0012])
    assert torch.linalg.vector_norm(info.centres[0] - box_centre) < 0.012
    assert 0.044 < info.radii[0] < 0.068
