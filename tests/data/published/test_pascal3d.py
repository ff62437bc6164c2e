"""PASCAL3D+ and RenderForCNN: the camera against the published formulas, reprojection, splits, rules, and damage."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull

from armillary.data import ImageStore, dataset_splits, open_dataset, project
from armillary.data.published import Mixture, Pascal3d, RenderForCnn
from armillary.data.published.pascal3d_camera import viewpoint_rotation
from armillary.data.published.pascal3d_viewpoint import TRAIN_OBJECTS, VAL_OBJECTS
from armillary.so3 import geodesic_distance

WritePublished = Callable[[str], Path]


def angles(*degrees: float) -> list[torch.Tensor]:
    return [torch.tensor(angle, dtype=torch.float64) for angle in degrees]


def test_the_rotation_has_the_published_value():
    # R(a=30, e=10, t=-5) of Spherical Regression.
    expected = [[0.855163, 0.511204, 0.085832], [0.161973, -0.106234, -0.98106], [-0.492404, 0.852869, -0.173648]]
    # Six decimals are printed.
    assert (viewpoint_rotation(*angles(30.0, 10.0, -5.0)) - torch.tensor(expected)).abs().max() < 1e-6


def original_projection(
    azimuth: float, elevation: float, theta: float, distance: float, f: float, centre
) -> np.ndarray:
    """The 3 x 4 camera matrix as PASCAL3D+ and the original Image2Sphere compose it."""
    a, e, t = np.deg2rad([azimuth, elevation, theta])
    position = distance * np.array([np.cos(e) * np.sin(a), -np.cos(e) * np.cos(a), np.sin(e)])
    a, e = -a, e - np.pi / 2
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(e), -np.sin(e)], [0, np.sin(e), np.cos(e)]])
    rotation = about_x @ about_z
    in_plane = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
    shift = np.array([[1, 0, centre[0]], [0, 1, centre[1]], [0, 0, 1]])
    pinhole = shift @ np.diag([1, -1, 1]) @ in_plane @ np.diag([f, f, -1])
    return pinhole @ np.column_stack([rotation, -rotation @ position])


def test_samples_project_as_the_original_does(write_published: WritePublished, pascal: SimpleNamespace):
    reader = Pascal3d(write_published("pascal3d"), "train")
    for index in range(len(reader)):
        sample = reader[index]
        folder, name = sample.name.split("/")
        (key,) = [key for key in pascal.photographs if (f"{key[0]}_{key[1]}", key[2]) == (folder, name)]
        viewpoint, _, principal = pascal.photographs[key]
        homogeneous = np.column_stack([pascal.wedge, np.ones(len(pascal.wedge))])
        pixels = homogeneous @ original_projection(*viewpoint, 40.0, 3000.0, principal).T
        found = project(torch.from_numpy(pascal.wedge).float(), sample.rotation, sample.translation, sample.intrinsics)
        # float32 at 3,000 px of focal length.
        assert np.abs(found.numpy() - pixels[:, :2] / pixels[:, 2:]).max() < 0.01


def distances_to_silhouette(corners: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """Of each pixel's centre to the convex outline of projected corners: negative inside."""
    hull = ConvexHull(corners.numpy())
    rows, columns = np.mgrid[: size[0], : size[1]]
    pixels = np.stack([columns, rows], -1)
    return (pixels @ hull.equations[:, :2].T + hull.equations[:, 2]).max(-1)


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_object_reprojects_to_half_a_pixel_before_and_after_the_crop(
    write_published: WritePublished, pascal: SimpleNamespace, split: str
):
    corners = torch.from_numpy(pascal.wedge).float()
    reader = Pascal3d(write_published("pascal3d"), split)
    store = ImageStore.from_reader(reader, size=160, margin=1.2, progress=False)
    for index in range(len(reader)):
        sample = reader[index]
        crop = store.images[index].float() / 255
        for image, rotation, translation, intrinsics in (
            (sample.image, sample.rotation, sample.translation, sample.intrinsics),
            (crop, store.rotations[index], store.translations[index], store.intrinsics[index]),
        ):
            pixels = project(corners, rotation, translation, intrinsics)
            distance = distances_to_silhouette(pixels, image.shape[-2:])
            # Half way from the background's red to the object's.
            seen = image[0].numpy() > 120 / 255
            assert seen[distance < -0.5].all() and not seen[distance > 0.5].any()
        # The object fills the crop but for its margin.
        widest = (pixels - (store.size - 1) / 2).abs().max() / (store.size / 2)
        assert widest.item() == pytest.approx(1 / 1.2, abs=0.05)


def test_the_splits_are_made_of_their_parts(write_published: WritePublished):
    root = write_published("pascal3d")
    assert dataset_splits(root) == (
        "train", "test", "voc-train", "imagenet-train", "imagenet-val",
        "viewpoint-train", "viewpoint-easy", "viewpoint-nonOccl", "viewpoint-nonDiff", "viewpoint-all",
        "synthetic", "train-synthetic", "viewpoint-train-synthetic",
    )  # fmt: skip
    names = {split: open_dataset(root, split).names for split in dataset_splits(root)[:5]}
    assert names["train"] == ("car_pascal/2008_000001", "car_imagenet/n02958343_1", "chair_imagenet/n03001627_2")
    assert names["test"] == ("car_pascal/2008_000003",)
    parts = {*names["voc-train"], *names["imagenet-train"], *names["imagenet-val"]}
    assert parts == {*names["train"]}


def test_the_protocol_leaves_objects_out_and_counts_them(write_published: WritePublished, pascal: SimpleNamespace):
    release = write_published("pascal3d") / "PASCAL3D+_release1.1"
    view, box = (10.0, 20.0, 0.0), [5.0, 5.0, 50.0, 60.0]

    def write(name: str, **flags: object) -> None:
        entry = pascal.annotation("car", view, (1.0, 2.0), flags.pop("bbox", box), **flags)
        pascal.write_annotation(release, "car", "imagenet", name, [entry])
        picture = release / "Images" / "car_imagenet" / "n02958343_1.JPEG"
        (picture.parent / f"{name}.JPEG").write_bytes(picture.read_bytes())

    for flag in ("occluded", "truncated", "difficult"):
        write(f"n_{flag}", **{flag: 1})
    write("n_coarse", distance=0.0)
    write("n_far", distance=np.zeros((0, 0)))
    write("n_box", bbox=[50.0, 5.0, 5.0, 60.0])
    names = ["n_occluded", "n_truncated", "n_difficult", "n_coarse", "n_far", "n_box"]
    (release / "Image_sets" / "car_imagenet_train.txt").write_text("\n".join(["n02958343_1", *names]))
    reader = Pascal3d(release, "imagenet-train")
    assert reader.names == ("car_imagenet/n02958343_1",)
    assert reader.excluded.counts == {
        "occluded": 1, "truncated": 1, "difficult": 1, "with a coarse viewpoint": 2, "with an empty box": 1,
    }  # fmt: skip
    assert len(Pascal3d(release, "imagenet-train", exclude=("occluded",))) == 3


def test_the_first_object_counts_or_all_of_the_category(write_published: WritePublished, pascal: SimpleNamespace):
    release = write_published("pascal3d") / "PASCAL3D+_release1.1"
    entries = [
        pascal.annotation(category, (azimuth, 0.0, 0.0), (1.0, 2.0), [1.0, 2.0, 30.0, 40.0])
        for category, azimuth in (("bus", 0.0), ("car", 90.0), ("car", 180.0))
    ]
    pascal.write_annotation(release, "car", "pascal", "2008_000003", entries)
    first, every = Pascal3d(release, "test"), Pascal3d(release, "test", objects="all")
    assert [first.info.categories[first[0].category]] == ["bus"] and len(first) == 1
    assert every.names == ("car_pascal/2008_000003#1", "car_pascal/2008_000003#2")
    expected = viewpoint_rotation(*angles(180.0, 0.0, 0.0)).float()
    torch.testing.assert_close(every[1].rotation, expected)


def damaged(release: Path, pascal: SimpleNamespace) -> Path:
    """A picture gone, an annotation gone, one damaged, one without viewpoint, one of another category."""
    view, box = (10.0, 20.0, 0.0), [5.0, 5.0, 50.0, 60.0]
    images = release / "Images" / "car_imagenet"
    for name in ("n_gone", "n_none", "n_damaged", "n_noview", "n_person"):
        (images / f"{name}.JPEG").write_bytes((images / "n02958343_1.JPEG").read_bytes())
        category, seen = ("person" if name == "n_person" else "car"), (None if name == "n_noview" else view)
        pascal.write_annotation(release, "car", "imagenet", name, [pascal.annotation(category, seen, (1.0, 2.0), box)])
    (images / "n_gone.JPEG").unlink()
    (release / "Annotations" / "car_imagenet" / "n_none.mat").unlink()
    file = release / "Annotations" / "car_imagenet" / "n_damaged.mat"
    file.write_bytes(file.read_bytes()[:300])
    names = ["n02958343_1", "n_gone", "n_none", "n_damaged", "n_noview", "n_person"]
    (release / "Image_sets" / "car_imagenet_train.txt").write_text("\n".join(names))
    return release


def test_faulty_entries_are_counted_named_and_left_out_or_fatal(
    write_published: WritePublished, pascal: SimpleNamespace
):
    release = damaged(write_published("pascal3d") / "PASCAL3D+_release1.1", pascal)
    with pytest.warns(UserWarning, match="5 of 6 samples left out") as told:
        assert len(open_dataset(release, "imagenet-train")) == 1
    for expected in (
        "1 without a picture (car_imagenet/n_gone)",
        "1 without an annotation (car_imagenet/n_none)",
        "1 with a damaged annotation (car_imagenet/n_damaged)",
        "1 without a viewpoint (car_imagenet/n_noview)",
        "1 of unknown category (car_imagenet/n_person)",
    ):
        assert expected in str(told[0].message)
    with pytest.raises(ValueError, match="expected 6 sound samples, got 1 without a picture"):
        Pascal3d(release, "imagenet-train", on_fault="fail")


def test_a_missing_list_is_named(write_published: WritePublished):
    release = write_published("pascal3d") / "PASCAL3D+_release1.1"
    (release / "Image_sets" / "car_imagenet_val.txt").unlink()
    with pytest.warns(UserWarning, match=r"1 missing list \(car_imagenet_val.txt\)"):
        assert len(open_dataset(release, "train")) == 3
    with pytest.raises(ValueError, match="1 missing list"):
        open_dataset(release, "train", on_fault="fail")


def test_synthetic_pictures_have_the_viewpoint_of_their_name_with_the_turn_reversed(write_published: WritePublished):
    reader = open_dataset(write_published("pascal3d"), "synthetic")
    by_name = {reader[index].name.split("/")[-1]: reader[index] for index in range(len(reader))}
    sample = by_name["02958343_1a2b_a123_e015_t-03_d004.png"]
    assert reader.info.categories[sample.category] == "car"
    torch.testing.assert_close(sample.rotation, viewpoint_rotation(*angles(123.0, 15.0, 3.0)).float())
    assert sample.translation.tolist() == [0, 0, 4] and sample.intrinsics[0, 0] == 3000
    # The crop shows the whole picture, its longer side from edge to edge.
    store = ImageStore.from_reader(reader, size=44, margin=1.0, progress=False)
    turn = geodesic_distance(store.rotations, reader.rotations).max()
    # The axis of the smallest cone is found to 1/200 of its angle, here 27 px of 3,000.
    assert turn < 27 / 3000 / 100
    assert store.intrinsics[:, 0, 0].numpy() == pytest.approx(3000, rel=0.01)


def test_unknown_synsets_and_names_without_a_viewpoint_are_counted(write_published: WritePublished):
    folder = write_published("pascal3d") / "syn_images_cropped_bkg_overlaid"
    (folder / "02958343").rename(folder / "99999999")
    (folder / "03001627" / "ff00" / "03001627_ff00_front.png").touch()
    with pytest.warns(UserWarning, match="3 of 4 samples left out: 1 without a viewpoint .*; 2 of unknown synset"):
        assert len(RenderForCnn(folder)) == 1
    with pytest.raises(ValueError, match="expected 4 sound samples"):
        RenderForCnn(folder, on_fault="fail")


def test_an_epoch_of_the_mixture_is_four_times_the_photographs(write_published: WritePublished):
    root = write_published("pascal3d")
    real, synthetic = open_dataset(root, "train"), open_dataset(root, "synthetic")
    mixture = open_dataset(root, "train-synthetic")
    assert len(mixture) == 4 * len(real)
    assert [mixture[index].name for index in range(len(real))] == [*real.names]
    assert {mixture[index].name.split("#")[0] for index in range(len(real), len(mixture))} <= {*synthetic.names}
    drawn = [[Mixture(real, synthetic, seed=seed)[index].name for index in range(3, 12)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(ValueError, match="expected a share from 0 to below 1"):
        Mixture(real, synthetic, share=1.0)


def test_the_viewpoint_protocol_takes_every_object_and_coarse_viewpoints(
    write_published: WritePublished, pascal: SimpleNamespace
):
    release = write_published("pascal3d") / "PASCAL3D+_release1.1"
    plain, hidden, hard = ({}, {"occluded": 1}, {"difficult": 1})
    entries = [
        pascal.annotation("car", (azimuth, 0.0, 0.0), (1.0, 2.0), [1.0, 2.0, 31.0, 42.0], **flags)
        for azimuth, flags in ((90.0, plain), (120.0, hidden), (150.0, hard), (225.0, {"distance": 0.0}))
    ]
    entries[-1]["viewpoint"] |= {"azimuth": 0.0, "elevation_coarse": 12.5}
    pascal.write_annotation(release, "car", "pascal", "2008_000003", entries)
    found = {name: open_dataset(release, f"viewpoint-{name}") for name in ("easy", "nonOccl", "nonDiff", "all")}
    assert {name: [int(full[-1]) for full in reader.names] for name, reader in found.items()} == {
        "easy": [0, 3], "nonOccl": [0, 2, 3], "nonDiff": [0, 1, 3], "all": [0, 1, 2, 3],
    }  # fmt: skip
    coarse = found["easy"][1]
    torch.testing.assert_close(coarse.rotation, viewpoint_rotation(*angles(225.0, 12.5, 0.0)).float())
    # Its camera is aimed at the box, so that the crop keeps the annotated angles.
    assert coarse.translation is None and coarse.intrinsics[:2, 2].tolist() == [16, 22]
    store = ImageStore.from_reader(found["easy"], size=32, progress=False)
    assert geodesic_distance(store.turns[1], torch.eye(3)) < 1e-4  # rounding at 3,000 px of focal length
    assert len(open_dataset(release, "viewpoint-train")) == 3


def test_angles_out_of_range_are_counted_and_named(write_published: WritePublished, pascal: SimpleNamespace):
    root = write_published("pascal3d")
    release = root / "PASCAL3D+_release1.1"
    # Radians times a hundred, say.
    entry = pascal.annotation("car", (417.0, 25.0, 0.0), (1.0, 2.0), [1.0, 2.0, 31.0, 42.0])
    pascal.write_annotation(release, "car", "pascal", "2008_000001", [entry])
    with pytest.warns(UserWarning, match=r"1 with angles out of range \(car_pascal/2008_000001\)"):
        assert len(open_dataset(release, "train")) == 2
    folder = root / "syn_images_cropped_bkg_overlaid" / "03001627" / "ff00"
    (folder / "03001627_ff00_a300_e040_t000_d005.png").rename(folder / "03001627_ff00_a300_e240_t000_d005.png")
    with pytest.raises(ValueError, match="1 with angles out of range"):
        RenderForCnn(root / "syn_images_cropped_bkg_overlaid", on_fault="fail")


def test_the_original_counts_add_up():
    assert {name: sum(counts) for name, counts in VAL_OBJECTS.items()} == {"easy": 2136, "nonDiff": 5979, "all": 6910}
    assert sum(TRAIN_OBJECTS) == 29786
