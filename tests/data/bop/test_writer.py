"""Laws of `armillary render`: what is written reads back, and an interruption leaves no trace."""

import dataclasses
import errno
import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from armillary.data import ImageStore, Mesh, SceneSettings, Shape, load_mesh, open_dataset, project, rendered_store
from armillary.data import write_bop as write
from armillary.data.camera import unproject
from armillary.data.rendering.scene import BLOCK, draw_block
from armillary.so3 import SymmetryGroup

VIEWS = BLOCK + 3
SETTINGS = SceneSettings(size=32, fov_deg=40.0)


def box(x: float, y: float, z: float) -> Mesh:
    corners = torch.tensor([[i, j, k] for i in (0.0, x) for j in (0.0, y) for k in (0.0, z)])
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(corners, torch.tensor([[a, b, c] for a, b, c, _ in sides] + [[a, c, d] for a, _, c, d in sides]))


SHAPES = (
    Shape("brick", box(0.3, 0.2, 0.1), SymmetryGroup.dihedral(2)),
    Shape("beam", box(1.0, 0.1, 0.1)),
)


def write_bop(folder: Path, **options) -> Path:
    arguments = {
        "settings": SETTINGS,
        "backend": "torch",
        "progress": False,
        "shapes": SHAPES,
        "views_per_shape": VIEWS,
    }
    return write(folder, **{**arguments, **options})


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bop") / "set"
    write_bop(folder, normals=True)
    return folder


def test_the_writer_draws_the_tree_it_documents(written):
    expected = {"models/models_info.json", "models/obj_000001.ply", "models/obj_000002.ply"}
    expected |= {"models/render.json", "train/render.json"}
    for scene in ("train/000001", "train/000002"):
        expected |= {f"{scene}/scene_{name}.json" for name in ("gt", "camera", "gt_info")}
        for view in range(VIEWS):
            expected |= {f"{scene}/{kind}/{view:06d}.png" for kind in ("rgb", "depth", "normals")}
            expected |= {f"{scene}/{kind}/{view:06d}_000000.png" for kind in ("mask", "mask_visib")}
    assert set(tree(written)) == expected


def test_what_is_written_reads_back(written):
    reader = open_dataset(written)
    assert len(reader) == 2 * VIEWS and reader.info.categories == ("brick", "beam")
    assert [group.order for group in reader.info.symmetries] == [4, 1]
    for number, shape in enumerate(SHAPES):
        centre, radius = shape.mesh.bounding_sphere()
        assert torch.allclose(reader.info.centres[number], centre, atol=1e-6)
        assert reader.info.radii[number].item() == pytest.approx(radius, rel=1e-6)
        for view in (0, BLOCK - 1, BLOCK, VIEWS - 1):
            sample = reader[number * VIEWS + view]
            block = draw_block(centre, radius, SETTINGS, number, view // BLOCK)
            assert torch.allclose(sample.rotation, block.rotations[view % BLOCK], atol=1e-6)
            assert torch.allclose(sample.translation, block.translations[view % BLOCK], atol=1e-6)
            assert torch.allclose(sample.intrinsics, SETTINGS.intrinsics())
            assert sample.category == number


def test_vertices_fall_on_the_mask(written):
    reader = open_dataset(written)
    for index in range(0, len(reader), 5):
        sample = reader[index]
        vertices = SHAPES[sample.category].mesh.vertices
        pixels = project(vertices, sample.rotation, sample.translation, sample.intrinsics)
        rows, columns = sample.mask.nonzero().unbind(1)
        box_low, box_high = torch.stack([columns, rows], -1).amin(0), torch.stack([columns, rows], -1).amax(0)
        # A mask is the pixels whose centre is covered: a sharp corner may miss the last pixels along its way.
        low, high = pixels.amin(0).clamp(0, 31), pixels.amax(0).clamp(0, 31)
        assert (box_low - low).min() > -0.6 and (high - box_high).min() > -0.6
        assert (box_low - low).max() < 3 and (high - box_high).max() < 3


def test_depth_and_normals_describe_the_surface(written):
    reader = open_dataset(written)
    for index in (0, VIEWS + 4):
        sample = reader[index]
        scene = written / "train" / f"{index // VIEWS + 1:06d}"
        camera = json.loads((scene / "scene_camera.json").read_text())[str(index % VIEWS)]
        depth = np.asarray(PIL.Image.open(scene / "depth" / f"{index % VIEWS:06d}.png")).astype(np.float32)
        depth = torch.from_numpy(depth) * camera["depth_scale"] / 1000
        assert bool(((depth > 0) == sample.mask).all())
        rows, columns = sample.mask.nonzero().unbind(1)
        pixels = torch.stack([columns, rows], -1).float()
        in_camera = unproject(pixels, depth[rows, columns], sample.intrinsics)
        in_object = (in_camera - sample.translation) @ sample.rotation
        size = SHAPES[sample.category].mesh.vertices.amax(0)
        # On a face of the box: nearest coordinate to 0 or to the side. Depth is stored in steps of 0.1 mm or more.
        to_face = torch.minimum(in_object.abs(), (in_object - size).abs()).amin(1)
        assert to_face.max() < 5e-4
        normals = np.asarray(PIL.Image.open(scene / "normals" / f"{index % VIEWS:06d}.png")).astype(np.float32)
        normals = torch.from_numpy(normals)[rows, columns] / 127.5 - 1
        in_object = normals @ sample.rotation
        # Axis-aligned, to the rounding of 8 bits, and facing the camera.
        assert (in_object.abs().amax(1) - 1).abs().max() < 0.02
        assert bool(((normals * in_camera).sum(1) < 0).all())


def test_models_are_in_millimetres(written):
    mesh = load_mesh(written / "models" / "obj_000001.ply")
    assert torch.allclose(mesh.vertices.amax(0), torch.tensor([300.0, 200.0, 100.0]))
    entry = json.loads((written / "models" / "models_info.json").read_text())["1"]
    assert entry["diameter"] == pytest.approx(10 * np.sqrt(30**2 + 20**2 + 10**2), rel=1e-6)
    assert entry["size_x"] == pytest.approx(300) and len(entry["symmetries_discrete"]) == 3


def test_rotations_are_uniform():
    # E[R] = 0 and E[R_ij^2] = 1/3 for the uniform law; 960 draws, five standard errors.
    rotations = torch.cat([draw_block(torch.zeros(3), 1.0, SETTINGS, 0, block).rotations for block in range(30)])
    assert rotations.mean(0).abs().max() < 5 / np.sqrt(3 * 960)
    assert (rotations.square().mean(0) - 1 / 3).abs().max() < 5 * 0.3 / np.sqrt(960)


def test_objects_and_seeds_have_views_of_their_own():
    first = draw_block(torch.zeros(3), 1.0, SETTINGS, 0, 0).rotations
    others = [
        draw_block(torch.zeros(3), 1.0, SETTINGS, 1, 0).rotations,
        draw_block(torch.zeros(3), 1.0, SETTINGS, 0, 1).rotations,
        draw_block(torch.zeros(3), 1.0, SceneSettings(size=32, fov_deg=40.0, seed=1), 0, 0).rotations,
    ]
    assert all((first - other).abs().max() > 0.1 for other in others)


def test_the_same_command_again_changes_nothing(written):
    before = tree(written)
    stamps = {path: path.stat().st_mtime_ns for path in written.rglob("*.png")}
    write_bop(written, normals=True)
    assert tree(written) == before
    assert stamps == {path: path.stat().st_mtime_ns for path in written.rglob("*.png")}


def test_an_interruption_leaves_what_the_same_command_completes(written, tmp_path, monkeypatch):
    from armillary.data.bop import writer

    folder, calls = tmp_path / "set", []
    render_block = writer.render_block

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return render_block(*arguments)

    monkeypatch.setattr(writer, "render_block", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bop(folder, normals=True)
    monkeypatch.undo()
    scene = folder / "train" / "000001"
    (scene / "rgb" / ".000009.png.tmp").write_bytes(b"half")
    (scene / "depth" / "000004.png").unlink()
    (scene / "scene_camera.json").unlink()
    write_bop(folder, normals=True)
    assert tree(folder) == tree(written)


def test_what_an_interrupted_scene_lists_is_there(tmp_path, monkeypatch):
    from armillary.data.bop import writer

    write_png = writer._write_png

    def failing(files, array):
        if files[0].name.startswith("000034"):
            raise OSError(errno.EIO, "input/output error", str(files[0]))
        write_png(files, array)

    monkeypatch.setattr(writer, "_write_png", failing)
    with pytest.raises(OSError, match="input/output"):
        write_bop(tmp_path / "set")
    listed = json.loads((tmp_path / "set" / "train" / "000001" / "scene_gt.json").read_text())
    # The first block is whole; of the second, which failed, nothing is listed.
    assert sorted(map(int, listed)) == list(range(BLOCK))
    assert len(open_dataset(tmp_path / "set")) == BLOCK


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views_per_shape": 7}, f"expected views {VIEWS} as when it was begun, got 7"),
        ({"settings": SceneSettings(size=32, fov_deg=40.0, seed=9)}, "expected seed 0 as when it was begun, got 9"),
        ({"settings": SceneSettings(size=64, fov_deg=40.0)}, "expected size 32 .* got 64"),
        ({"shapes": SHAPES[:1]}, r"expected shapes \(2 of them\) .* got 1"),
        ({"shapes": (SHAPES[0], Shape("beam", box(1.0, 0.1, 0.2)))}, "expected shapes beam .* got beam"),
    ],
)
def test_another_command_on_the_same_folder_is_refused(written, options, message):
    before = tree(written)
    with pytest.raises(ValueError, match=message) as caught:
        write_bop(written, **{"normals": True, **options})
    assert "\n" not in str(caught.value) and tree(written) == before


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="choose another folder"):
        write_bop(tmp_path)
    assert set(tree(tmp_path)) == {"models/thesis.txt"}


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    write_bytes = Path.write_bytes

    def full(path, content):
        if path.name == ".000005.png.tmp":
            write_bytes(path, content[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="the disk is full.*free some and repeat the command.*000005.png") as caught:
        write_bop(tmp_path / "set")
    assert "\n" not in str(caught.value)
    names = set(tree(tmp_path / "set" / "train"))
    assert not any(name.endswith(".tmp") for name in names)
    for name in names:
        if name.endswith(".png"):
            PIL.Image.open(tmp_path / "set" / "train" / name).load()
    monkeypatch.undo()
    write_bop(tmp_path / "set")
    assert len(open_dataset(tmp_path / "set")) == 2 * VIEWS


def test_a_second_split_shares_the_models(written, tmp_path):
    folder = tmp_path / "set"
    write_bop(folder, views_per_shape=2)
    write_bop(folder, views_per_shape=3, split="test", settings=SceneSettings(size=32, fov_deg=40.0, seed=1))
    assert len(open_dataset(folder, "train")) == 4 and len(open_dataset(folder, "test")) == 6


def test_deep_objects_fit_sixteen_bits(tmp_path):
    large = Shape("hangar", box(300.0, 200.0, 100.0))
    split = write_bop(tmp_path / "set", shapes=[large], views_per_shape=1)
    camera = json.loads((split / "000001" / "scene_camera.json").read_text())["0"]
    depth = np.asarray(PIL.Image.open(split / "000001" / "depth" / "000000.png")).astype(np.float64)
    translation = json.loads((split / "000001" / "scene_gt.json").read_text())["0"][0]["cam_t_m2c"]
    # The surface lies around its origin's distance: not clipped at 65535 units.
    assert depth.max() < 65535 and depth.max() * camera["depth_scale"] == pytest.approx(translation[2], rel=0.5)


@pytest.mark.parametrize("setting", [{"size": 2}, {"fill": -1.0}, {"lights": "moon"}, {"background": "beach"}])
def test_settings_out_of_range_are_refused(setting):
    # The type of a Literal is checked in tests before the value is; both refuse.
    with pytest.raises(Exception, match="expected|type"):
        SceneSettings(**setting)


def test_a_rendered_store_is_what_the_files_would_give(tmp_path):
    options = {"lights": "studio", "background": "black"}
    split = write_bop(
        tmp_path / "set",
        views_per_shape=5,
        settings=SceneSettings(size=48, fov_deg=20.0, fill=1 / 1.5, fill_jitter=0.0, shift=0.0, **options),
    )
    from_files = ImageStore.from_reader(open_dataset(split), size=48, margin=1.5, progress=False)
    direct = rendered_store(SHAPES, 5, size=48, margin=1.5, backend="torch", progress=False)
    assert torch.allclose(direct.rotations, from_files.rotations, atol=1e-5)
    assert torch.allclose(direct.intrinsics, from_files.intrinsics, rtol=1e-4)
    assert torch.equal(direct.category, from_files.category)
    assert direct.info.categories == from_files.info.categories
    # One rounding of the resampling, a little more at edges where positions differ by 1e-5 pixel.
    assert (direct.images.int() - from_files.images.int()).abs().float().mean() < 0.05


def test_a_folder_begun_before_a_setting_existed_is_completed_with_its_default_alone(tmp_path):
    split = write_bop(tmp_path / "set", views_per_shape=1)
    record = json.loads((split / "render.json").read_text())
    (split / "render.json").write_text(json.dumps({k: v for k, v in record.items() if k not in ("poses", "tilt_deg")}))
    write_bop(tmp_path / "set", views_per_shape=1)
    with pytest.raises(ValueError, match="expected poses uniform as when it was begun, got viewsphere"):
        write_bop(tmp_path / "set", views_per_shape=1, settings=dataclasses.replace(SETTINGS, poses="viewsphere"))
