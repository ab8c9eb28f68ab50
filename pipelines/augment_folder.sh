#!/usr/bin/env bash
# Augment a folder of images from the command line: check it, forecast time and memory, augment it, and undo that.
#
#     pipelines/augment_folder.sh DATA OUT [--smoke]
#
# DATA holds one folder per class. OUT must not exist yet.
set -euo pipefail
data=$1 out=$2 options=(--time-budget 15m)
[ "${3:-}" = --smoke ] && options=(--steps 3 --no-evaluate --param filters=null)

ganaug check "$data"                                  # counts, sizes, each unusable file with its cause
ganaug augment "$data" "$out" --dry-run "${options[@]}" # what would be added, time and memory
ganaug augment "$data" "$out" "${options[@]}"           # writes OUT, and the training run to OUT.run
ganaug augment "$data" "$out" --undo                    # removes exactly what was added
