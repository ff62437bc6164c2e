"""Run the benchmarks of the harmonic kernels and collect their results.

``python benchmarks/run.py --out FILE.json`` writes a list of {name, ratio, target, ours_ms, theirs_ms, peak_mb}. Exit
status 1 when a ratio misses its target.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = ("density_query.py", "azimuth.py", "normaliser.py")


def main() -> int:
    """Run each script in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where to write the results")
    parser.add_argument("scripts", nargs="*", default=SCRIPTS, help="which scripts to run")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for script in options.scripts:
            part = Path(folder) / f"{script}.json"
            subprocess.run([sys.executable, str(HERE / script), "--out", str(part)], check=True)
            results += json.loads(part.read_text())
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    missed = [row["name"] for row in results if row["target"] is not None and row["ratio"] < row["target"]]
    missed += [row["name"] for row in results if row.get("target_mb") and row["peak_mb"] > row["target_mb"]]
    for name in missed:
        print(f"missed its target: {name}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
