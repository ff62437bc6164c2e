"""Contours, boxes of masks and points, reduced frames, readers with boxes."""

import pytest
import torch

from armillary.data import Sample
from armillary.data.sample import DatasetInfo, Reader
from armillary.data.spacecraft.contour import FORK_THRESHOLD, contour_mask, mask_box, otsu_threshold
from armillary.data.spacecraft.frame_store import FrameStore, projected_box, reduce_frame, seen_box
from armillary.data.spacecraft.framed import FramedReader, true_boxer

BOX = torch.tensor([39.5, 19.5, 99.5, 69.5])


def frame() -> torch.Tensor:
    """Noise, a star, and a bright rectangle with a dark hole."""
    picture = 0.03 * torch.rand(3, 120, 192, generator=torch.Generator().manual_seed(0))
    picture[:, 20:70, 40:100] = 0.5
    picture[:, 40:45, 60:66] = 0.02
    picture[:, 100, 150] = 1.0
    return picture


@pytest.mark.parametrize("threshold", [None, FORK_THRESHOLD])
def test_the_contour_is_the_largest_bright_part_with_its_holes(threshold: float | None) -> None:
    mask = contour_mask(frame(), threshold)
    assert mask is not None and bool(mask[42, 62]) and not bool(mask[100, 150])
    # The blur moves an edge by less than two pixels.
    assert (mask_box(mask) - BOX).abs().max() <= 2


def test_darkness_has_no_contour() -> None:
    assert contour_mask(torch.zeros(1, 60, 96)) is None
    assert contour_mask(0.02 * torch.rand(1, 60, 96), FORK_THRESHOLD) is None


def test_otsu_parts_two_clusters() -> None:
    draw = torch.Generator().manual_seed(0)
    low, high = (level + 0.05 * torch.randn(500, generator=draw) for level in (0.2, 0.7))
    assert 0.3 < otsu_threshold(torch.cat([low, high]).clamp(0, 1)) < 0.6


def test_a_reduced_frame_keeps_its_shape_and_its_box() -> None:
    small, scale = reduce_frame(frame(), 64, 128)
    assert small.shape == (1, 64, 128) and scale == 64 / 120
    # 192 x 120 becomes 102 x 64; the rest is black.
    assert small[:, :, 103:].max() == 0
    store = FrameStore.empty(1, 64, 128)
    mask = contour_mask(frame(), 0.3)
    store.put(0, Sample(frame(), torch.eye(3), mask=mask))
    assert torch.allclose(store.boxes[0], (mask_box(mask) + 0.5) * scale - 0.5)
    assert (mask_box(store.masks[0]) - store.boxes[0]).abs().max() <= 1


def test_frames_are_read_as_they_were_saved(tmp_path) -> None:
    store = FrameStore.empty(1, 32, 48)
    store.put(0, Sample(frame(), torch.eye(3), box=BOX))
    store.save(tmp_path / "frames.npz")
    again = FrameStore.load(tmp_path / "frames.npz")
    assert torch.equal(again.frames, store.frames) and torch.equal(again.boxes, store.boxes)


def test_a_box_of_points_is_cut_at_the_edges_and_missing_outside() -> None:
    intrinsics = torch.tensor([[100.0, 0, 95.5], [0, 100, 59.5], [0, 0, 1]])
    points = torch.tensor([[-0.1, -0.1, 0], [0.1, 0.1, 0]])

    def box(x: float) -> torch.Tensor:
        return projected_box(Sample(frame(), torch.eye(3), torch.tensor([x, 0.0, 1.0]), intrinsics), points)

    assert torch.allclose(box(0.0), torch.tensor([85.5, 49.5, 105.5, 69.5]))
    assert torch.allclose(box(0.95), torch.tensor([180.5, 49.5, 191.5, 69.5]))
    assert box(2.0).isnan().all()
    behind = Sample(frame(), torch.eye(3), torch.tensor([0.0, 0.0, -1.0]), intrinsics)
    assert seen_box(behind, points).isnan().all()


class OneFrame(Reader):
    """One frame twice, once without anything in its mask."""

    info = DatasetInfo("one", ("craft",))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Sample:
        mask = (frame().mean(0) > 0.3) & (index == 0)
        return Sample(frame(), torch.eye(3), mask=mask, name=str(index))


def test_a_framed_reader_gives_boxes_and_packs_masks() -> None:
    store = FrameStore.empty(2, 32, 48)
    reader = FramedReader(OneFrame(), true_boxer(torch.zeros(1, 3)), store, masked=True)
    first, second = reader[0], reader[1]
    assert first.box is not None and second.box is None
    assert torch.equal(first.image[1] > 0.5, first.mask) and first.image[2].max() == 0
    assert bool(store.boxes[1].isnan().all()) and not bool(store.boxes[0].isnan().any())
    assert len(FramedReader(OneFrame(), true_boxer(torch.zeros(1, 3)), count=1)) == 1
