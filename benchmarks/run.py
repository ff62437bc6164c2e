"""Run the benchmarks of the engine, each script in a process of its own, and print one table.

``python benchmarks/run.py --out FILE.json`` writes a list of {name, ratio, target, ours_ms, theirs_ms, peak_mb, ...}.
Exit status 1 when a target is missed, 2 when a script fails.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import torch
from row import HEADER, Row, read_rows, record, write_rows

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
# Those of the table that the engine must reach come first.
SCRIPTS = (
    "density_query.py",
    "exact_mode.py",
    "wigner_matrices.py",
    "so3_activation.py",
    "sphere_correlation.py",
    "training_loss.py",
    "normaliser.py",
    "transforms.py",
    "azimuth.py",
    "head_overhead.py",
)


def processor() -> str:
    """Model name of the processor, as the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe(device: str, threads: int) -> dict[str, str]:
    """What the results are keyed by, and the day."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else processor()
    return {"device": name, "threads": str(threads), "torch": torch.__version__, "date": date.today().isoformat()}


def run_script(script: str, options: argparse.Namespace, folder: Path) -> list[Row]:
    """The rows of one script, printed by it."""
    part = folder / f"{script}.json"
    flags = ["--threads", str(options.threads), "--device", options.device, "--out", str(part), "--no-header"]
    command = [sys.executable, str(HERE / script), *flags, *(["--quick"] if options.quick else [])]
    if subprocess.run(command, check=False).returncode:
        print(f"{script} failed; run it alone: {' '.join(command[:2])}", file=sys.stderr)
        return []
    return read_rows(part)


def main() -> int:
    """Run all, print the table and the count of targets, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where to write the rows as JSON")
    parser.add_argument("--threads", type=int, default=2, help="processor threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, no targets: only to see that they work")
    parser.add_argument("--record", action="store_true", help=f"put the rows into {RESULTS.name}, keyed by machine")
    parser.add_argument("scripts", nargs="*", default=SCRIPTS, help="which scripts to run")
    options = parser.parse_args()
    machine = describe(options.device, options.threads)
    busy = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before the first"
    print(f"{machine['device']}, {machine['threads']} threads, torch {machine['torch']}{busy}\n{HEADER}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        parts = {script: run_script(script, options, Path(folder)) for script in options.scripts}
    rows = [row for part in parts.values() for row in part]
    write_rows(options.out, rows)
    if options.record:
        record(RESULTS, rows, machine)
    targets = [row for row in rows if row.verdict]
    missed = [row.name for row in targets if row.missed]
    print(f"\n{len(targets) - len(missed)} of {len(targets)} rows with targets reach them")
    for name in missed:
        print(f"MISSED: {name}")
    failed = [script for script, part in parts.items() if not part]
    for script in failed:
        print(f"FAILED, no rows: {script}")
    return 2 if failed else 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
