import pytest
import torch

from ganaug._runtime.randomness import (
    SharedGenerator,
    derive,
    generator,
    image_seeds,
    integers,
    latents,
    normal,
    temporary_seed,
    uniform,
)

pytestmark = pytest.mark.usefixtures("untouched_global_randomness")


def test_a_latent_row_depends_on_its_seed_alone():
    seeds = image_seeds(7, "cat", 0, 100)
    rows = latents(seeds, 10)
    permutation = torch.randperm(100, generator=generator(0, "order"))
    assert torch.equal(latents(seeds[permutation], 10), rows[permutation])
    assert torch.equal(torch.cat([latents(seeds[i : i + 1], 10) for i in range(100)]), rows)
    assert torch.equal(latents(image_seeds(7, "cat", 40, 60), 10), rows[40:])


def test_latents_are_standard_normal():
    rows = latents(image_seeds(0, "x", 0, 20_000), 16)
    assert torch.isfinite(rows).all()
    assert rows.mean(0).abs().max() < 4 / 20_000**0.5
    assert (rows.var(0) - 1).abs().max() < 4 * (2 / 20_000) ** 0.5
    correlations = torch.corrcoef(rows.T) - torch.eye(16)
    assert correlations.abs().max() < 5 / 20_000**0.5


def test_streams_of_different_classes_and_seeds_do_not_overlap():
    streams = [image_seeds(seed, name, 0, 1000) for seed in range(5) for name in ("a", "b", "c")]
    all_seeds = torch.cat(streams)
    assert all_seeds.unique().numel() == all_seeds.numel()
    assert all_seeds.min() >= 0
    assert all_seeds.max() < 2**53


def test_a_temporary_seed_determines_the_draws_and_the_global_state_is_restored():
    with temporary_seed(5):
        first = torch.randn(3)
    with temporary_seed(5):
        second = torch.randn(3)
    assert torch.equal(first, second)


def test_derived_seeds_differ_by_purpose_and_step():
    seeds = {derive(seed, purpose, step) for seed in range(3) for purpose in ("batch", "step") for step in range(50)}
    assert len(seeds) == 300
    assert derive(1, "a", 2) == derive(1, "a", 2)


def small_integers(generator, *shape, rows):
    return integers(generator, 0, 99, *shape, rows=rows)


@pytest.mark.parametrize("draw", [uniform, normal, small_integers])
@pytest.mark.parametrize("rows", [0, 1])
def test_processes_together_draw_the_rows_that_a_single_one_would_draw(draw, rows):
    def draw_on(rank, world_size):
        shared = SharedGenerator()
        shared.manual_seed(5)
        shared.rank, shared.world_size = rank, world_size
        return draw(shared, *(12 // world_size if axis == rows else 3 for axis in range(2)), rows=rows)

    all_rows = draw_on(0, 1)
    for rank in range(3):
        assert torch.equal(draw_on(rank, 3), all_rows.index_select(rows, torch.arange(rank, 12, 3)))
    assert len(all_rows.unique()) > 1
