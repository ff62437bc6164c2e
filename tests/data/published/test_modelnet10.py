"""ModelNet10-SO(3): what the LMDB and npz readers read, what they say of damage, and the way between the two."""

import pickle
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from armillary.data import open_dataset
from armillary.data.published import Modelnet10Lmdb, Modelnet10Npz, convert_modelnet10, seen_rotations
from armillary.so3 import geodesic_distance, random_rotations

WritePublished = Callable[[str], Path]


def expected_rotations(modelnet: SimpleNamespace) -> np.ndarray:
    quaternions = np.stack(list(modelnet.quaternions().values()))
    return Rotation.from_quat(quaternions[:, [1, 2, 3, 0]]).as_matrix()


@pytest.mark.parametrize("kind", ["modelnet10_lmdb", "modelnet10_npz"])
@pytest.mark.parametrize("split", ["train", "limited_train", "test"])
def test_both_forms_give_the_pictures_rotations_and_categories_that_were_written(
    modelnet: SimpleNamespace, write_published: WritePublished, kind: str, split: str
):
    reader = open_dataset(write_published(kind), split)
    assert len(reader) == len(modelnet.views)
    found = [reader.info.categories[reader[index].category] for index in range(len(modelnet.views))]
    assert found == ["bathtub", "night_stand", "toilet", "bed", "bed"]
    for index, name in enumerate(modelnet.views):
        sample = reader[index]
        # float32 of a unit matrix.
        torch.testing.assert_close(
            sample.rotation.double(), torch.from_numpy(expected_rotations(modelnet)[index]), atol=2e-7, rtol=0
        )
        expected = torch.from_numpy(np.array(modelnet.picture(name))) / 255
        # JPEG at quality 95 rings at edges.
        assert (sample.image - expected).abs().mean() < 0.01
        if kind == "modelnet10_lmdb":
            assert sample.name == name


def test_one_folder_or_file_opens_by_itself(write_published: WritePublished):
    lmdb = write_published("modelnet10_lmdb") / "ModelNet10-SO3" / "test_20V.Rawjpg.lmdb"
    assert isinstance(open_dataset(lmdb), Modelnet10Lmdb)
    assert isinstance(open_dataset(lmdb.parent, "test"), Modelnet10Lmdb)
    assert isinstance(open_dataset(write_published("modelnet10_npz") / "modelnet10_test.npz"), Modelnet10Npz)


def test_a_folder_that_cannot_be_written_to_is_read(modelnet: SimpleNamespace, tmp_path: Path):
    folder = modelnet.write_lmdb(tmp_path / "test_20V.Rawjpg.lmdb")
    (folder / "lock.mdb").unlink()
    folder.chmod(0o555)
    try:
        assert open_dataset(folder)[0].name == modelnet.views[0]
        assert {path.name for path in folder.iterdir()} == {"data.mdb", "viewID2quat.pkl"}
    finally:
        folder.chmod(0o755)


def test_readers_share_a_folder_among_threads_and_processes(modelnet: SimpleNamespace, tmp_path: Path):
    folder = modelnet.write_lmdb(tmp_path / "test_20V.Rawjpg.lmdb")
    readers = [Modelnet10Lmdb(folder), Modelnet10Lmdb(folder)]
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda index: readers[index % 2][index % 5].name, range(40)))
    assert names == [modelnet.views[index % 5] for index in range(40)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(readers[0].picture, 3).result().shape == (224, 224, 1)


def test_many_pictures_at_once_are_those_of_the_samples(modelnet: SimpleNamespace, tmp_path: Path):
    reader = Modelnet10Lmdb(modelnet.write_lmdb(tmp_path / "test_20V.Rawjpg.lmdb"))
    pictures = reader.pictures([4, 0, 2], threads=2)
    for place, index in enumerate([4, 0, 2]):
        assert np.array_equal(pictures[place], reader.picture(index))


def damaged(modelnet: SimpleNamespace, tmp_path: Path) -> Path:
    """One view without a picture, one without a pose, one of unknown category, one with a quaternion of zeros."""
    pictures = {name: modelnet.jpeg(modelnet.picture(name)) for name in modelnet.views[1:]}
    pictures |= {"sofa_0009.v003": pictures[modelnet.views[1]], "lamp_0001.v000": pictures[modelnet.views[1]]}
    poses = {**modelnet.quaternions(), "lamp_0001.v000": np.array([1.0, 0, 0, 0])}
    poses[modelnet.views[2]] = np.zeros(4)
    return modelnet.write_lmdb(tmp_path / "test_20V.Rawjpg.lmdb", pictures, modelnet.pickle(poses))


def test_faulty_views_are_counted_named_and_left_out(modelnet: SimpleNamespace, tmp_path: Path):
    with pytest.warns(UserWarning, match="4 of 7 samples left out") as told:
        reader = Modelnet10Lmdb(damaged(modelnet, tmp_path))
    (message,) = [str(warning.message) for warning in told]
    for expected in (
        f"1 without a picture ({modelnet.views[0]})",
        "1 without a pose (sofa_0009.v003)",
        f"1 without a rotation ({modelnet.views[2]})",
        "1 of unknown category (lamp_0001.v000)",
    ):
        assert expected in message
    assert reader.names == (modelnet.views[1], modelnet.views[3], modelnet.views[4])
    torch.testing.assert_close(
        reader[1].rotation.double(), torch.from_numpy(expected_rotations(modelnet)[3]), atol=2e-7, rtol=0
    )


def test_faulty_views_are_fatal_if_asked(modelnet: SimpleNamespace, tmp_path: Path):
    with pytest.raises(ValueError, match="expected 7 sound samples, got 1 without a picture.*lamp_0001") as caught:
        Modelnet10Lmdb(damaged(modelnet, tmp_path), on_fault="fail")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 4000, 0.5, 0.95])
def test_a_truncated_database_is_refused_with_its_size(modelnet: SimpleNamespace, tmp_path: Path, kept: float):
    file = modelnet.write_lmdb(tmp_path / "test_20V.Rawjpg.lmdb") / "data.mdb"
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content) if kept < 1 else kept)])
    with pytest.raises(ValueError, match="test_20V.Rawjpg.lmdb.*(truncated|expected an LMDB environment)") as caught:
        open_dataset(file.parent)
    assert "\n" not in str(caught.value)


def test_a_missing_database_is_named(modelnet: SimpleNamespace, tmp_path: Path):
    folder = modelnet.write_lmdb(tmp_path / "test_20V.Rawjpg.lmdb")
    (folder / "data.mdb").unlink()
    with pytest.raises(FileNotFoundError, match=r"data\.mdb: expected an LMDB file, got none"):
        open_dataset(folder)


@pytest.mark.parametrize("pickled", [pickle.dumps([1, 2]), pickle.dumps({}), pickle.dumps(Path.cwd), b"nonsense"])
def test_poses_that_are_no_dict_of_quaternions_are_refused(modelnet: SimpleNamespace, tmp_path: Path, pickled: bytes):
    folder = modelnet.write_lmdb(tmp_path / "test_20V.Rawjpg.lmdb", pickled=pickled)
    with pytest.raises(ValueError, match=r"viewID2quat\.pkl: expected"):
        open_dataset(folder)


def test_a_picture_that_is_none_is_named_when_it_is_read(modelnet: SimpleNamespace, tmp_path: Path):
    pictures = {name: modelnet.jpeg(modelnet.picture(name)) for name in modelnet.views} | {
        modelnet.views[1]: b"no JPEG"
    }
    reader = Modelnet10Lmdb(modelnet.write_lmdb(tmp_path / "test_20V.Rawjpg.lmdb", pictures))
    assert reader[0].name == modelnet.views[0]
    with pytest.raises(ValueError, match="view night_stand_0001.v012: expected a JPEG picture"):
        reader[1]


def test_arrays_of_different_lengths_are_cut_with_a_note_or_refused(modelnet: SimpleNamespace, tmp_path: Path):
    path = modelnet.write_npz(tmp_path / "modelnet10_test.npz")
    arrays = dict(np.load(path))
    np.savez(path, imgs=arrays["imgs"], rots=arrays["rots"][:4], cat_ids=arrays["cat_ids"][:3])
    with pytest.warns(UserWarning, match="2 of 5 samples.*without cat_ids .number 3.*without rots and cat_ids"):
        assert len(Modelnet10Npz(path)) == 3
    with pytest.raises(ValueError, match="expected 5 sound samples"):
        Modelnet10Npz(path, on_fault="fail")


@pytest.mark.parametrize("change", [{"imgs": np.zeros((5, 8, 8, 1))}, {"imgs": np.zeros((5, 8, 8), np.uint8)}])
def test_arrays_of_other_shapes_are_refused(modelnet: SimpleNamespace, tmp_path: Path, change: dict):
    path = modelnet.write_npz(tmp_path / "modelnet10_test.npz")
    np.savez(path, **{**dict(np.load(path)), **change})
    with pytest.raises(ValueError, match="expected imgs as uint8"):
        Modelnet10Npz(path)


@pytest.mark.parametrize("compress", [True, False])
def test_there_and_back_again(modelnet: SimpleNamespace, tmp_path: Path, compress: bool):
    source = modelnet.write_lmdb(tmp_path / "train_20V.Rawjpg.lmdb")
    npz, back = tmp_path / "npz" / "modelnet10_limited_train.npz", tmp_path / "back.Rawjpg.lmdb"
    assert convert_modelnet10(source, npz, compress=compress, progress=False) == len(modelnet.views)
    with np.load(npz) as arrays:
        assert arrays["imgs"].shape == (5, 224, 224, 1) and arrays["imgs"].dtype == np.uint8
        assert arrays["rots"].dtype == np.float32 and arrays["cat_ids"].tolist() == [0, 6, 9, 1, 1]
    assert convert_modelnet10(npz, back, progress=False) == len(modelnet.views)
    one, other = Modelnet10Lmdb(source), Modelnet10Lmdb(back)
    assert one.names == other.names == Modelnet10Npz(npz).names
    assert torch.equal(one.categories, other.categories)
    # float32 matrices to quaternions and back.
    assert geodesic_distance(one.rotations.double(), other.rotations.double()).max() < 1e-6
    for index in range(len(modelnet.views)):
        assert np.array_equal(one.picture(index), Modelnet10Npz(npz).picture(index))
        assert np.abs(one.picture(index).astype(int) - other.picture(index)).mean() < 1


def test_a_conversion_refuses_to_overwrite_and_to_guess(modelnet: SimpleNamespace, tmp_path: Path):
    source = modelnet.write_lmdb(tmp_path / "train_20V.Rawjpg.lmdb")
    with pytest.raises(ValueError, match="expected a target that ends in .npz"):
        convert_modelnet10(source, tmp_path / "other.lmdb", progress=False)
    with pytest.raises(FileExistsError, match="name another"):
        convert_modelnet10(source, modelnet.write_npz(tmp_path / "a.npz"), progress=False)


def test_a_stored_array_is_mapped_rather_than_read(modelnet: SimpleNamespace, tmp_path: Path):
    convert_modelnet10(modelnet.write_lmdb(tmp_path / "a.lmdb"), tmp_path / "a.npz", progress=False)
    assert isinstance(Modelnet10Npz(tmp_path / "a.npz")._images, np.memmap)


def test_the_original_miniature_of_pascal_opens(tmp_path: Path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "mini_pascal.npz",
        imgs=rng.integers(0, 255, (3, 32, 32, 3), dtype=np.uint8),
        rots=Rotation.random(3, random_state=rng).as_matrix().astype(np.float32),
        clss=np.array([[0], [8], [11]]),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reader = open_dataset(tmp_path / "mini_pascal.npz")
    assert [reader.info.categories[reader[i].category] for i in range(3)] == ["aeroplane", "motorbike", "tvmonitor"]


def test_what_others_draw_is_an_isometry_and_its_own_inverse():
    rotations = random_rotations(20, generator=torch.Generator().manual_seed(0))
    seen = seen_rotations(rotations)
    torch.testing.assert_close(seen_rotations(seen), rotations)
    # Errors between labels stay the same.
    torch.testing.assert_close(
        geodesic_distance(seen[:10], seen[10:]), geodesic_distance(rotations[:10], rotations[10:])
    )


def test_a_conversion_that_fails_leaves_nothing(modelnet: SimpleNamespace, tmp_path: Path):
    pictures = {name: modelnet.jpeg(modelnet.picture(name)) for name in modelnet.views} | {modelnet.views[3]: b"none"}
    source = modelnet.write_lmdb(tmp_path / "source.lmdb", pictures)
    with pytest.raises(ValueError, match="bed_0001.v001: expected a JPEG picture"):
        convert_modelnet10(source, tmp_path / "a.npz", progress=False)
    assert {path.name for path in tmp_path.iterdir()} == {"source.lmdb"}


def test_a_database_with_a_damaged_page_is_refused(modelnet: SimpleNamespace, tmp_path: Path):
    file = modelnet.write_lmdb(tmp_path / "a.lmdb") / "data.mdb"
    content = file.read_bytes()
    # All but the two pages that describe the rest.
    file.write_bytes(content[:8192] + bytes(len(content) - 8192))
    with pytest.raises(ValueError, match="a.lmdb: expected an LMDB environment, got"):
        Modelnet10Lmdb(file.parent)
