"""What the user did wrong is one line on stderr and exit status 2, and leaves nothing half-written."""

import errno
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from armillary.apps.cli import main
from armillary.data import make_solid, open_dataset, rendered_store
from armillary.so3 import matrix_to_quat_xyzw


def said(words: list[str], capsys: pytest.CaptureFixture) -> str:
    """The one line that a failing command says."""
    assert main(words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("armillary: error: ")]
    assert len(lines) == 1
    return lines[0]


def test_unknown_words_get_the_closest_match(capsys, tmp_path):
    assert "did you mean train?" in said(["trian"], capsys)
    assert "did you mean --minutes?" in said(["demo", "--out", "x", "--minuts", "3"], capsys)
    words = ["train", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert "did you mean photos?" in said([*words, "--recipe", "fotos"], capsys)
    assert "did you mean --lmax?" in said([*words, "--lmx", "3"], capsys)
    assert "did you mean cube?" in said(["render", "cubes", "--out", str(tmp_path / "out")], capsys)


def test_a_loss_of_another_model_and_an_impossible_sample_are_refused(run, rendered, tmp_path, capsys):
    words = ["train", "--data", str(rendered), "--out", str(tmp_path / "out"), "--recipe"]
    assert "leave --loss out" in said([*words, "spherical-regression", "--loss", "likelihood"], capsys)
    assert "leave --loss out" in said([*words, "debug", "--loss", "spherical"], capsys)
    assert "expo" in said([*words, "spherical-regression", "--kind", "expo"], capsys)
    words = ["evaluate", str(run), "--data", str(rendered), "--out", str(tmp_path / "out"), "--sample"]
    assert "expected a sample above 0 and up to 1" in said([*words, "20"], capsys)
    assert "did you mean sexp-gradients?" in said(["bench", "sexp-gradient"], capsys)
    assert not (tmp_path / "out").exists()


def test_missing_and_wrong_options_are_named(capsys):
    assert "missing --out" in said(["demo"], capsys)
    assert "--minutes" in said(["demo", "--out", "x", "--minutes", "soon"], capsys)
    assert "expected minutes and views above zero" in said(["demo", "--out", "x", "--minutes", "0"], capsys)


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_an_unreadable_image_is_named_and_nothing_is_written(content, run, photo, tmp_path, capsys):
    bad = tmp_path / "bad.png"
    bad.write_bytes(content)
    line = said(["predict", str(run), str(photo), str(bad), "--out", str(tmp_path / "out")], capsys)
    assert "bad.png" in line
    assert not (tmp_path / "out").exists()


def test_missing_files_are_named(run, tmp_path, capsys):
    gone = str(tmp_path / "gone")
    assert "gone" in said(["train", "--data", gone, "--out", str(tmp_path / "run")], capsys)
    assert "gone" in said(["predict", gone, gone, "--out", str(tmp_path / "out")], capsys)
    assert "gone" in said(["evaluate", str(run), "--data", gone, "--out", str(tmp_path / "out")], capsys)
    assert "gone.stl" in said(["render", f"{gone}.stl", "--out", str(tmp_path / "out")], capsys)


@pytest.mark.parametrize("text", ["OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n", "OFF\n3 1 0\n0 0 nan\n1 0 0\n0 1 0\n3 0 1 2\n"])
def test_a_mesh_without_faces_or_with_nan_is_named(text, tmp_path, capsys):
    (tmp_path / "part.off").write_text(text)
    line = said(["render", str(tmp_path / "part.off"), "--out", str(tmp_path / "out")], capsys)
    assert "part.off" in line
    assert not (tmp_path / "out").exists()


def test_an_open_mesh_is_rendered_and_mentioned(tmp_path, capsys):
    (tmp_path / "sail.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    words = ["render", str(tmp_path / "sail.off"), "--views", "1", "--scene.size", "16", "--backend", "torch"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert "sail.off: the surface is not closed" in capsys.readouterr().err


def test_points_without_faces_are_rendered_and_mentioned(tmp_path, capsys):
    grid = "\n".join(f"{x} {y} 0" for x in range(5) for y in range(5))
    header = (
        "ply\nformat ascii 1.0\nelement vertex 25\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    (tmp_path / "scan.ply").write_text(header + grid + "\n")
    words = ["render", str(tmp_path / "scan.ply"), "--views", "1", "--scene.size", "16", "--scene.background", "white"]
    assert main([*words, "--backend", "torch", "--out", str(tmp_path / "out")]) == 0
    said_there = capsys.readouterr().err
    assert "scan.ply: points without faces" in said_there and "not closed" not in said_there


def test_an_unfinished_run_says_how_to_finish(tmp_path, rendered, photo, capsys):
    words = ["train", "--data", str(rendered), "--recipe", "debug", "--out", str(tmp_path / "run")]
    assert main([*words, "--stop-after", "2"]) == 0
    assert "not finished" in said(["predict", str(tmp_path / "run"), str(photo), "--out", str(tmp_path / "o")], capsys)
    assert main(words) == 0
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


def test_a_run_with_other_options_is_not_overwritten(rendered, run, capsys):
    words = ["train", "--data", str(rendered), "--recipe", "debug", "--out", str(run), "--learning-rate", "0.5"]
    assert "another learning_rate" in said(words, capsys)


def test_a_full_disk_is_one_line_and_leaves_no_half_file(rendered, run, tmp_path, capsys, monkeypatch):
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "report" in path.name:
            write(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr("armillary.apps.assessment.SHOWN", 1)
    line = said(["evaluate", str(run), "--data", str(rendered), "--out", str(tmp_path / "ev")], capsys)
    assert "report.html" in line and re.search("full|space", line)
    assert {path.name for path in (tmp_path / "ev").iterdir()} == {"predictions.npz", "metrics.json"}


def test_symmetries_are_checked(tmp_path, capsys):
    (tmp_path / "part.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    words = ["render", str(tmp_path / "part.off"), "--out", str(tmp_path / "out"), "--symmetry"]
    assert "expected NAME=GROUP" in said([*words, "C4"], capsys)
    assert "expected C2, C3" in said([*words, "part=X"], capsys)
    assert "did you mean part?" in said([*words, "prt=C2"], capsys)


def test_results_never_go_where_a_file_is(rendered, run, photo, capsys):
    below = str(photo / "results")
    for out in (str(photo), below):
        for words in (
            ["predict", str(run), str(photo)],
            ["evaluate", str(run), "--data", str(rendered)],
            ["train", "--data", str(rendered), "--recipe", "debug"],
            ["render", "tet", "--backend", "torch"],
        ):
            assert "photo.png: expected a folder for the results, got a file" in said([*words, "--out", out], capsys)


def test_a_folder_of_other_things_becomes_no_run(rendered, capsys):
    before = sorted(rendered.rglob("*"))
    words = ["train", "--data", str(rendered), "--recipe", "debug", "--out", str(rendered)]
    assert "expected an empty folder or a run, got other files" in said(words, capsys)
    assert sorted(rendered.rglob("*")) == before


def test_what_is_no_run_and_no_picture_is_named(rendered, run, photo, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    out = ["--out", str(tmp_path / "out")]
    assert "empty: holds no model" in said(["predict", str(tmp_path / "empty"), str(photo), *out], capsys)
    assert "photo.png: no such folder" in said(["predict", str(photo), str(photo), *out], capsys)
    assert "empty: expected pictures" in said(["predict", str(run), str(tmp_path / "empty"), *out], capsys)
    assert "notes.txt: expected a readable pic" in said(
        ["predict", str(run), str(tmp_path / "notes.txt"), *out], capsys
    )
    assert "empty: expected a BOP split" in said(
        ["evaluate", str(run), "--data", str(tmp_path / "empty"), *out], capsys
    )
    assert not (tmp_path / "out").exists()


def test_a_machine_without_the_device_or_threads_is_named(rendered, run, photo, tmp_path, capsys):
    predict = ["predict", str(run), str(photo), "--out", str(tmp_path / "out"), "--device"]
    assert "expected a device as cpu, cuda" in said([*predict, "gpu"], capsys)
    assert "take --device cpu" in said([*predict, "cuda:99"], capsys)
    words = ["evaluate", str(run), "--data", str(rendered), "--out", str(tmp_path / "out"), "--threads", "0"]
    assert "at least one thread" in said(words, capsys)


def test_options_that_make_no_sense_are_named(rendered, tmp_path, capsys):
    train = ["train", "--data", str(rendered), "--out", str(tmp_path / "out"), "--recipe", "debug"]
    assert "missing --data, --out" in said(["train"], capsys)
    assert "exactly one of --steps, --epochs and --minutes" in said([*train, "--steps", "3", "--minutes", "1"], capsys)
    assert "--stop-after 1 or more" in said([*train, "--stop-after", "0"], capsys)
    assert "invalid choice '16' for argument '--precision'" in said([*train, "--precision", "16"], capsys)
    line = said([*train, "--batch-size", "0"], capsys)
    assert line.startswith("armillary: error: expected batch_size") and "--" not in line.split(";")[0]
    render = ["render", "mug", "--out", str(tmp_path / "out"), "--backend", "torch"]
    assert "--views and --members of 1 or more" in said([*render, "--members", "0"], capsys)
    assert "expected the name of a part" in said([*render, "--split", "../models"], capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("model/model.safetensors", "model.safetensors: expected weights that fit"),
        ("model/config.json", "config.json: expected JSON"),
        ("lookup.npz", "lookup.npz: expected an npz file"),
    ],
)
def test_a_damaged_run_is_named(file, message, rendered, run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / file).write_bytes(b"xx")
    words = ["evaluate", str(tmp_path / "run"), "--data", str(rendered), "--out", str(tmp_path / "out")]
    assert message in said(words, capsys)
    assert not (tmp_path / "out").exists()


def test_a_damaged_checkpoint_is_named(rendered, run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "checkpoint.ckpt").write_bytes(b"junk")
    words = ["train", "--data", str(rendered), "--recipe", "debug", "--out", str(tmp_path / "run")]
    assert "checkpoint.ckpt: expected a checkpoint, got a damaged file" in said(words, capsys)


def test_a_model_that_is_told_the_category_answers_for_no_other(rendered, tmp_path, capsys):
    words = ["train", "--data", str(rendered), "--recipe", "debug", "--out", str(tmp_path / "run")]
    assert main([*words, "--categories", "2", "--hidden", "8"]) == 0
    render = ["render", "tet", "--views", "2", "--scene.size", "24", "--backend", "torch"]
    assert main([*render, "--out", str(tmp_path / "tet")]) == 0
    words = ["evaluate", str(tmp_path / "run"), "--data", str(tmp_path / "tet"), "--out", str(tmp_path / "out")]
    assert "expected categories among tetX, cone" in said(words, capsys)


def scaled(pose: dict) -> dict:
    return {**pose, "cam_R_m2c": [1.5 * value for value in pose["cam_R_m2c"]]}


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("train/000001/scene_camera.json", None, "scene_camera.json: expected a JSON file, got no such file"),
        ("train/000001/rgb/000003.png", None, "rgb/000003.png: expected a picture, got no such file"),
        ("train/000001/mask_visib/000003_000000.png", None, "000003_000000.png: expected a mask, got no such file"),
        ("models/models_info.json", lambda r: {"1": r["1"]}, "models_info.json: expected object 2"),
        ("models/models_info.json", lambda r: {"1": {}, "2": {}}, "models_info.json: object 1: expected diameter"),
        ("train/000001/scene_gt.json", lambda r: {"first": r["0"]}, "scene_gt.json: image first: expected"),
        ("train/000001/scene_camera.json", lambda r: {**r, "0": 3}, "scene_camera.json: image 0: expected"),
        (
            "train/000001/scene_gt.json",
            lambda r: {**r, "4": [scaled(r["4"][0])]},
            r"sample 4 \(000001/000004_000000\): matrix is no rotation, defect 1.25; .*divide out the scale",
        ),
    ],
)
def test_a_bop_folder_with_missing_or_wrong_files_is_named(
    file: str, change: Callable[[dict], dict] | None, message: str, rendered, tmp_path, capsys
):
    shutil.copytree(rendered, tmp_path / "set")
    if change is None:
        (tmp_path / "set" / file).unlink()
    else:
        record = json.loads((tmp_path / "set" / file).read_text())
        (tmp_path / "set" / file).write_text(json.dumps(change(record)))
    words = ["train", "--data", str(tmp_path / "set"), "--recipe", "debug", "--out", str(tmp_path / "run")]
    assert re.search(message, said(words, capsys))
    assert not (tmp_path / "run").exists()


EYE = np.stack([np.eye(3)] * 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"R": EYE * 1.2}, r"sample 0 \(000000\): matrix is no rotation, defect 0.44.*divide out the scale"),
        ({"R": EYE * np.nan}, "defect inf.*it holds NaN"),
        ({"R": EYE @ np.diag([1, 1, -1])}, "defect 2.*it is a reflection"),
        ({"R": EYE.astype(object)}, "expected an npz file of plain arrays"),
        ({"t": np.full((4, 3), np.nan)}, "expected a translation t of finite numbers"),
        ({"K": np.zeros((3, 3))}, "focal lengths above zero"),
        ({"image": np.zeros((4, 8, 8, 3))}, "expected image as uint8"),
        ({"image": np.zeros((0, 8, 8, 3), np.uint8), "R": EYE[:0]}, "expected samples, got none"),
    ],
)
def test_photographs_with_wrong_arrays_are_named(change, message, tmp_path, capsys):
    np.savez(tmp_path / "photos.npz", **{"image": np.zeros((4, 8, 8, 3), np.uint8), "R": EYE, **change})
    words = ["train", "--data", str(tmp_path / "photos.npz"), "--recipe", "debug", "--out", str(tmp_path / "run")]
    line = said(words, capsys)
    assert "photos" in line and re.search(message, line)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("poses.csv", "file,qw,qx,qy,qz\na.png,1,1,0,0\n", r"row 0 \(a.png\): expected a unit quaternion"),
        ("poses.csv", "file,qw,qx,qy,qz\n,1,0,0,0\n", "row 0: expected the name of a picture"),
        ("transforms.json", '{"frames": [3]}', "expected each of frames to be an object"),
        ("transforms.json", '{"frames": [{"file_path": "a", "transform_matrix": "x"}]}', "frame 0: expected numbers"),
    ],
)
def test_pose_files_with_mistakes_are_named(name, content, message, photo, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(photo, folder / "a.png")
    (folder / name).write_text(content)
    line = said(["train", "--data", str(folder), "--recipe", "debug", "--out", str(tmp_path / "run")], capsys)
    assert name in line and re.search(message, line)


def test_colmap_files_with_mistakes_are_named(photo, tmp_path, capsys):
    shutil.copy(photo, tmp_path / "a.png")
    words = ["train", "--data", str(tmp_path), "--recipe", "debug", "--out", str(tmp_path / "run")]
    (tmp_path / "images.txt").write_text("1 0 0 0 0 0 0 1 1 a.png\n\n")
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 80 60 50 50 40 thirty\n")
    assert "cameras.txt: expected numbers" in said(words, capsys)
    (tmp_path / "cameras.txt").write_bytes(b"\xff\xfe")
    assert "cameras.txt: expected text, got a binary file" in said(words, capsys)
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 80 60 50 50 40 30\n")
    assert "images.txt: expected a quaternion, got zero" in said(words, capsys)


def test_a_bop_folder_without_models_is_read_with_a_note(rendered, tmp_path, capsys):
    shutil.copytree(rendered, tmp_path / "set")
    shutil.rmtree(tmp_path / "set" / "models")
    words = ["train", "--data", str(tmp_path / "set"), "--recipe", "debug", "--out", str(tmp_path / "run"), "--dry-run"]
    # A note of the library is one line on the terminal; the test run would make it an error.
    with pytest.warns(UserWarning, match="models_info.json: no such file, so symmetries"):
        open_dataset(tmp_path / "set", "train")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(words) == 0
    assert capsys.readouterr().err.startswith("armillary: note: ")


def test_no_egl_falls_back_to_torch_and_says_so(tmp_path, capsys, monkeypatch):
    def missing(*sizes: int) -> None:
        raise RuntimeError("libEGL.so: cannot open shared object file")

    monkeypatch.setattr("armillary.data.rendering.renderer.EglBackend", missing)
    words = ["render", "tet", "--views", "1", "--scene.size", "16", "--out", str(tmp_path / "set")]
    assert main(words) == 0
    assert "rendering with torch on cpu, no EGL here (libEGL.so" in capsys.readouterr().err
    rendered_store([make_solid("tet")], 1, size=16)
    assert "no EGL here" in capsys.readouterr().err
    assert "take backend='torch'" in said([*words, "--backend", "egl"], capsys)


def test_a_disk_that_fills_while_training_leaves_no_half_checkpoint(rendered, tmp_path, capsys, monkeypatch):
    def full(trainer: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lightning.pytorch.Trainer.save_checkpoint", full)
    words = ["train", "--data", str(rendered), "--recipe", "debug", "--out", str(tmp_path / "run")]
    assert "checkpoint.ckpt: the disk is full" in said(words, capsys)
    assert not [path for path in (tmp_path / "run").iterdir() if "checkpoint" in path.name or path.name == "model"]
    monkeypatch.undo()
    assert main(words) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scene.elevation-deg", "0", "120"], "expected elevation_deg from -90 to 90, lowest first, got 0 and 120"),
        (["--scene.elevation-deg", "30", "10"], "expected elevation_deg from -90 to 90, lowest first, got 30 and 10"),
        (["--scene.tilt-deg", "-5"], "expected tilt_deg from 0 to 180, got -5"),
        (["--scene.poses", "viewspere"], "viewspere"),
    ],
)
def test_angles_of_the_view_sphere_out_of_range_are_named(options, message, tmp_path, capsys):
    assert message in said(["render", "tet", "--out", str(tmp_path / "out"), *options], capsys)
    assert not (tmp_path / "out").exists()


def test_words_and_options_of_normals_are_named(tmp_path, capsys):
    assert "did you mean render?" in said(["normals", "rendr"], capsys)
    out = ["--out", str(tmp_path / "out")]
    assert "expected --scenes of 1 or more" in said(["normals", "render", "--scenes", "0", *out], capsys)
    assert "not a path; take train" in said(["normals", "render", "--split", "a/b", *out], capsys)
    assert "pictures of 8 to 8192 pixels" in said(["normals", "render", "--width", "2", *out], capsys)
    gone = str(tmp_path / "gone")
    assert "gone: expected pictures with normals" in said(["normals", "train", "--data", gone, *out], capsys)
    assert "gone: no such" in said(["normals", "predict", gone, "a.png", *out], capsys).replace("a.png", "gone")
    assert "gone: no such folder" in said(["normals", "evaluate", gone, "--data", gone, *out], capsys)
    both = ["--steps", "1", "--minutes", "1"]
    assert "exactly one of --steps and --minutes" in said(["normals", "train", "--data", gone, *both, *out], capsys)
    assert not (tmp_path / "out").exists()


def normals_npz(path: Path, **changes: np.ndarray) -> list[str]:
    """The words that train on an npz file of walls that face the camera, but for what is changed."""
    normal = np.zeros((2, 32, 32, 3), np.float32)
    normal[..., 1] = -1.0
    np.savez(path, **{"image": np.zeros((2, 32, 32, 3), np.uint8), "normal": normal, **changes})
    size = ["--height", "32", "--width", "32", "--steps", "1"]
    return ["normals", "train", "--data", str(path), "--out", str(path.with_name("run")), *size]


def test_normals_that_are_none_are_named(tmp_path, capsys):
    path = tmp_path / "frames.npz"
    ones, zeros = np.ones((2, 32, 32), np.uint8), np.zeros((2, 32, 32, 3), np.float32)
    line = said(normals_npz(path, normal=zeros, mask=ones), capsys)
    assert "frames.npz: picture 0: expected unit normals where the mask holds, got 1024 of zero length" in line
    assert "got 1024 with NaN" in said(normals_npz(path, normal=zeros + np.nan), capsys)
    assert "1024 of another length; scale them" in said(normals_npz(path, normal=zeros + 5), capsys)
    assert "got an empty mask" in said(normals_npz(path, mask=0 * ones), capsys)
    assert "store all at one size" in said(normals_npz(path, normal=zeros[:, :16]), capsys)
    assert "expected masks (2, 32, 32)" in said(normals_npz(path, mask=ones[:1]), capsys)
    assert not (tmp_path / "run").exists()


def test_rooms_that_lack_files_and_models_of_rotations_are_named(run, photo, tmp_path, capsys):
    rooms = tmp_path / "rooms"
    size = ["--width", "32", "--height", "32", "--members", "1"]
    assert main(["normals", "render", "--out", str(rooms), "--scenes", "2", *size]) == 0
    (rooms / "train" / "normal" / "000001.png").unlink()
    words = ["normals", "train", "--data", str(rooms), "--out", str(tmp_path / "run")]
    assert "got none of 000001 (1 lack them); render again" in said(words, capsys)
    (rooms / "train" / "normal" / "000001.png").write_bytes(b"no picture")
    assert "000001.png: expected a readable PNG" in said(words, capsys)
    line = said(["normals", "predict", str(run), str(photo), "--out", str(tmp_path / "out")], capsys)
    assert "expected a model of surface normals, got 'harmonic_regression'" in line
    assert not (tmp_path / "out").exists()


def test_a_quaternion_of_wrong_order_is_caught_by_the_pictures(tmp_path, capsys):
    solid, folder = make_solid("tet"), tmp_path / "photos"
    store = rendered_store([solid], 6, size=48, progress=False, backend="torch")
    folder.mkdir()
    assert store.translations is not None
    lines = ["file,qw,qx,qy,qz,tx,ty,tz,fx,fy,cx,cy"]
    for number in range(6):
        array = store.images[number].permute(1, 2, 0).numpy()
        PIL.Image.fromarray(array).save(folder / f"{number}.png")
        x, y, z, w = matrix_to_quat_xyzw(store.rotations[number].double()).tolist()
        K = store.intrinsics[number].tolist()
        numbers = (x, y, z, w, *store.translations[number].tolist(), K[0][0], K[1][1], K[0][2], K[1][2])
        lines.append(f"{number}.png," + ",".join(f"{value:.6f}" for value in numbers))
    (folder / "poses.csv").write_text("\n".join(lines) + "\n")
    vertices = "\n".join(f"v {x} {y} {z}" for x, y, z in solid.mesh.vertices.tolist())
    faces = "\n".join(f"f {a + 1} {b + 1} {c + 1}" for a, b, c in solid.mesh.faces.tolist())
    (folder / "model.obj").write_text(f"{vertices}\n{faces}\n")
    line = said(["train", "--data", str(folder), "--out", str(tmp_path / "run")], capsys)
    assert "photos: by model.obj: expected the object's points inside the masks" in line
    assert "with the rotations read as quaternions whose scalar is last (x, y, z, w), not first" in line
