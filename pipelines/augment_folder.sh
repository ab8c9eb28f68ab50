#!/usr/bin/env bash
# Augment a folder of images from the command line: look it over, see what it would take, do it, and take it back.
#
#     pipelines/augment_folder.sh DATA OUT [--smoke]
#
# DATA holds a folder a class. OUT must not exist yet.
set -euo pipefail
data=$1 out=$2 options=(--time-budget 15m)
[ "${3:-}" = --smoke ] && options=(--steps 3 --param filters=null)

ganaug check "$data"                                  # counts, sizes, every unusable file with its cause
ganaug augment "$data" "$out" --dry-run "${options[@]}" # what would be added, how long it takes
ganaug augment "$data" "$out" "${options[@]}"           # OUT, and the run with its previews in OUT.run
ganaug augment "$data" "$out" --undo                    # removes exactly what was added
