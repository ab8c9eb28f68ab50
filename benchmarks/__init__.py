"""Programs that measure ganaug. See README.md beside this file, or run `python -m benchmarks`."""

PROGRAMS = (
    "throughput",
    "translation_throughput",
    "scaling",
    "scaling_plot",
    "startup",
    "report_time",
    "png_encoders",
    "augment_run",
    "sample_quality",
    "utility_verdict",
    "uses_of_synthetic",
    "uses_of_features",
    "sharpness",
    "training_time",
    "paired_gains",
    "class_translation",
    "segmentation",
    "planted_defects",
    "copy_detection",
    "membership",
)
