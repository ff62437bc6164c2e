"""Stages of a spacecraft's training: what they draw is true, steps do not depend on when they come, runs go on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from armillary.apps.spacecraft.source import open_split
from armillary.data import Augmentation
from armillary.data.camera import project
from armillary.data.spacecraft.augmentation import DomainAugmentation
from armillary.data.spacecraft.contour import mask_box
from armillary.data.spacecraft.frame_store import FrameStore
from armillary.data.spacecraft.scene import SatelliteSettings
from armillary.data.spacecraft.writer import write_satellite
from armillary.models.box_regression import BoxRegressionConfig, box_overlap
from armillary.models.spacecraft_pose import SpacecraftPose, SpacecraftPoseConfig
from armillary.training.randomness import step_generator
from armillary.training.spacecraft.config import SpacecraftTrainConfig
from armillary.training.spacecraft.detector import DetectorStage
from armillary.training.spacecraft.frame_view import FrameView, moved, without_object
from armillary.training.spacecraft.material import Material, load_material
from armillary.training.spacecraft.pose import PoseStage
from armillary.training.spacecraft.run import prepared, train_spacecraft
from armillary.training.stage import StageConfig

STEPS = StageConfig(batch_size=4, log_every=1)
CONFIG = SpacecraftTrainConfig(
    BoxRegressionConfig(height=32, width=48, channels=8),
    SpacecraftPoseConfig(image_size=32, lmax=2, place_hidden=16),
    STEPS,
    STEPS,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = SatelliteSettings(width=96, height=60)
    return write_satellite(
        tmp_path_factory.mktemp("satellite") / "data", {"train": 6, "validation": 3}, settings, "torch", progress=False
    )


@pytest.fixture(scope="module")
def material(data: Path) -> Material:
    reader = open_split(data, "train")
    return load_material(data.parent / "material", "train", reader, prepared(CONFIG, reader))


@pytest.mark.parametrize("paint", [None, DomainAugmentation()])
def test_a_step_draws_the_same_whenever_it_comes(material: Material, paint: DomainAugmentation | None) -> None:
    detector = DetectorStage(CONFIG.detector.build(), material.frames, material.frames, paint=paint)
    pose = PoseStage(CONFIG.pose.build(), material.crops, material.crops, _views(), 1.0, paint)
    for stage in (detector, pose):
        first, again = (stage.draw(4, step_generator(3, 17)).tensors for _ in range(2))
        assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(first, again, strict=True))
        assert first[0].min() >= 0 and first[0].max() <= 1
        assert stage.loss(stage.draw(4, step_generator(3, 18))).isfinite()


def _views() -> Augmentation:
    return replace(CONFIG.augmentation, size=32)


def test_what_the_pose_stage_draws_shows_the_object_where_it_says(data: Path, material: Material) -> None:
    """Reprojection: points of the surface fall onto the mask of the drawn crop."""
    reader = open_split(data, "train")
    crops = material.crops
    masked = [i for i in range(len(crops)) if not reader.partly_outside[i]]
    batch = _views()(crops[torch.tensor(masked)], step_generator(0, 1))
    pixels = project(reader.spacecraft.points[::7], batch.rotations, batch.translations, batch.intrinsics)
    inside = ((pixels >= 0) & (pixels <= 31)).all(-1)
    for cover, where, seen in zip(batch.images[:, 1], pixels.round().long().clamp(0, 31), inside, strict=True):
        hit = torch.nn.functional.max_pool2d((cover > 0.3).float()[None], 3, 1, 1)[0]
        # Thin booms of less than a pixel vanish in masks of 96 x 60.
        assert hit[where[seen, 1], where[seen, 0]].mean() > 0.8


def test_moved_boxes_hold_moved_pixels() -> None:
    frames = torch.zeros(40, 1, 40, 64)
    frames[:, :, 12:24, 20:44] = 1.0
    boxes = torch.tensor([[19.5, 11.5, 43.5, 23.5]]).repeat(40, 1)
    draw = torch.Generator().manual_seed(0)
    scale = (0.7 + 0.8 * torch.rand(40, 2, generator=draw)) * torch.where(
        torch.rand(40, 2, generator=draw) < 0.5, -1, 1
    )
    out, found = moved(frames, boxes, scale, torch.rand(40, 2, generator=draw) * 1.2 - 0.6)
    for frame, box in zip(out, found, strict=True):
        if not box.isnan().any():
            assert (mask_box(frame[0] > 0.5) - box).abs().max() < 1.01
    far = moved(frames, boxes, torch.ones(40, 2), torch.full((40, 2), 1.9))[1]
    assert far.isnan().all()


def test_a_frame_view_leaves_nothing_as_nothing() -> None:
    nothing = torch.full((3, 4), torch.nan)
    assert FrameView()(torch.rand(3, 1, 32, 48), nothing, step_generator(0, 0))[1].isnan().all()


def test_objects_can_be_taken_out() -> None:
    store = FrameStore.empty(2, 48, 64)
    store.frames[:] = 20
    store.frames[:, :, 10:20, 30:50] = 220
    store.masks[0, 10:20, 30:50] = True
    store.boxes[:] = torch.tensor([29.5, 9.5, 49.5, 19.5])
    out = without_object(store, torch.arange(2))
    # 20 of 255 and nothing else remains, whether there is a mask or only a box.
    assert (out - 20 / 255).abs().max() < 1e-5


def test_overlap_of_boxes() -> None:
    box = torch.tensor([[0.0, 0.0, 4.0, 2.0]])
    assert box_overlap(box, box).item() == 1 and box_overlap(box, box + 10).item() == 0


def test_a_run_is_taken_up_and_ends_as_without_a_break(data: Path, tmp_path: Path) -> None:
    readers = open_split(data, "train"), open_split(data, "validation")
    config = CONFIG.with_steps(2)
    assert not train_spacecraft(config, tmp_path / "run", *readers, stop_after=1)
    assert not train_spacecraft(config, tmp_path / "run", *readers, stop_after=1)
    assert train_spacecraft(config, tmp_path / "run", *readers)
    assert train_spacecraft(config, tmp_path / "whole", *readers)
    first, second = (
        SpacecraftPose.from_pretrained(tmp_path / name / "pose" / "model").state_dict() for name in ("run", "whole")
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    record = json.loads((tmp_path / "run" / "pose" / "model" / "config.json").read_text())
    assert record["config"]["radius"] == pytest.approx(1.0, abs=1e-3)
    assert record["metadata"]["padding"] == CONFIG.padding
    assert 0 <= record["metadata"]["figures"]["val_median_deg"] <= 180
    with pytest.raises(ValueError, match="holds a run with another padding"):
        train_spacecraft(replace(config, padding=1.3), tmp_path / "run", *readers)


@pytest.mark.parametrize(
    "values", [{"padding": 0.5}, {"empty": 1.0}, {"pictures": 1}, {"held_out": 0}, {"domain_share": -0.5}]
)
def test_impossible_settings_are_refused(values: dict) -> None:
    with pytest.raises(ValueError, match="expected .*, got"):
        SpacecraftTrainConfig(**values)


def test_changes_of_looks_are_as_probable_as_asked() -> None:
    assert SpacecraftTrainConfig(domain_share=0.0).paint() == DomainAugmentation.off()
    assert SpacecraftTrainConfig().paint() == DomainAugmentation()
    assert SpacecraftTrainConfig(domain_share=2.0).paint().tone == pytest.approx(2 * DomainAugmentation().tone)
