"""Images per second read from an LMDB folder of ModelNet10-SO(3), as samples and as one array of pictures.

Run ``python benchmarks/reading.py`` (a folder of 4,000 views is written first) or ``--data train_20V.Rawjpg.lmdb``. The
target is 2,000 images/s on two cores. Images per CPU second do not depend on what else the machine is doing: times the
number of cores they are what an idle machine reads.
"""

import argparse
import io
import pickle
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lmdb
import numpy as np
import PIL.Image
import torch

from armillary.data import ImageStore
from armillary.data.published import Modelnet10Lmdb

TARGET = 2000


def write(folder: Path, views: int) -> Path:
    """Views of a shaded, textured ball on white: about 4 kB of JPEG each."""
    y, x = np.mgrid[:224, :224]
    poses = {}
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 31) as environment, environment.begin(write=True) as transaction:
        for index in range(views):
            name = f"night_stand_{index // 20:04d}.v{index % 20:03d}"
            inside = (x - 112) ** 2 + (y - 112) ** 2 < (50 + index % 40) ** 2
            shade = 100 + 80 * np.sin(x / 9 + index) * np.cos(y / 7)
            buffer = io.BytesIO()
            PIL.Image.fromarray(np.where(inside, shade, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
            transaction.put(name.encode(), buffer.getvalue())
            poses[name] = np.array([0.5, -0.5, 0.5, 0.5])
    (folder / "viewID2quat.pkl").write_bytes(pickle.dumps(poses, 2))
    return folder


def measure(what: str, read: Callable[[], int]) -> None:
    """Print the speed of one way of reading."""
    start, cpu = time.perf_counter(), time.process_time()
    images = read()
    wall, cpu = images / (time.perf_counter() - start), images / (time.process_time() - cpu)
    verdict = "reached" if 2 * cpu >= TARGET else "MISSED"
    print(f"{what:40s} {wall:7.0f} {cpu:7.0f}   {verdict}")


def main() -> None:
    """Print one line per way of reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="an LMDB folder; by default one is written")
    parser.add_argument("--views", type=int, default=4000, help="how many views to read")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.data or write(Path(scratch) / "train_20V.Rawjpg.lmdb", options.views)
        reader = Modelnet10Lmdb(folder)
        views = range(min(options.views, len(reader)))

        def samples() -> int:
            with ThreadPoolExecutor(options.threads) as pool:
                return sum(1 for _ in pool.map(lambda index: reader[index].category, views))

        def one_by_one() -> int:
            return sum(1 for index in views if reader[index].image is not None)

        print(
            f"{len(views)} views, {options.threads} threads: images/s, and per CPU second; target {TARGET} on two cores"
        )
        measure("samples, one thread", one_by_one)
        measure("samples", samples)
        measure("pictures", lambda: len(reader.pictures(views, options.threads)))
        threads = options.threads
        measure("ImageStore, 96 px", lambda: len(ImageStore.from_reader(reader, 96, threads=threads, progress=False)))


if __name__ == "__main__":
    main()
