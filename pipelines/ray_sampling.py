"""Ray: write a large synthetic set in shards, one task for each, on all machines of a cluster.

    python pipelines/ray_sampling.py [--smoke]

Set RAY_ADDRESS to use a cluster that is running; otherwise Ray starts one on this machine. The folders of the run and
of the samples must be on storage that all machines mount. A task that fails or loses its machine starts again and
writes only what is missing.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import ray

from ganaug import GANAugmenter
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser()
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
smoke = parser.parse_args().smoke

RUN, OUT = Path("run").absolute(), Path("samples").absolute()
N_SHARDS, PER_CLASS = (2, 10) if smoke else (64, 1_000_000)

gan = GANAugmenter(n_steps=5 if smoke else 3000, filters=None if smoke else "copies,label", run_dir=RUN, random_state=0)
gan.fit(fashion_mnist_lt())  # or your data: read_folder("photos/train")

ray.init()


@ray.remote(num_cpus=1, max_retries=3, retry_exceptions=True)
def write_shard(number):
    command = [sys.executable, "-m", "ganaug", "sample", RUN, OUT, "--per-class", PER_CLASS, "--as", "tar"]
    subprocess.run([*map(str, command), "--shards", str(N_SHARDS), "--shard", str(number)], check=True)


ray.get([write_shard.remote(number) for number in range(N_SHARDS)])

counts = [json.loads(path.read_text())["n_images"] for path in OUT.glob("*.json")]
print(f"{sum(counts):,} images in {len(counts)} shards")
