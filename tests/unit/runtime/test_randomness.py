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


def test_a_latent_row_depends_on_its_own_seed_alone():
    seeds = image_seeds(7, "cat", 0, 100)
    together = latents(seeds, 10)
    shuffled = torch.randperm(100, generator=generator(0, "order"))
    assert torch.equal(latents(seeds[shuffled], 10), together[shuffled])
    assert torch.equal(torch.cat([latents(seeds[i : i + 1], 10) for i in range(100)]), together)
    assert torch.equal(latents(image_seeds(7, "cat", 40, 60), 10), together[40:])


def test_latents_are_standard_normal():
    rows = latents(image_seeds(0, "x", 0, 20_000), 16)
    assert torch.isfinite(rows).all()
    assert rows.mean(0).abs().max() < 4 / 20_000**0.5
    assert (rows.var(0) - 1).abs().max() < 4 * (2 / 20_000) ** 0.5
    correlations = torch.corrcoef(rows.T) - torch.eye(16)
    assert correlations.abs().max() < 5 / 20_000**0.5


def test_streams_of_classes_and_seeds_do_not_meet():
    streams = [image_seeds(seed, name, 0, 1000) for seed in range(5) for name in ("a", "b", "c")]
    everything = torch.cat(streams)
    assert everything.unique().numel() == everything.numel()
    assert everything.min() >= 0
    assert everything.max() < 2**53


def test_own_state_decides_what_torch_draws_and_gives_its_state_back():
    with temporary_seed(5):
        one = torch.randn(3)
    with temporary_seed(5):
        two = torch.randn(3)
    assert torch.equal(one, two)


def test_derived_seeds_differ_by_purpose_and_step():
    made = {derive(seed, purpose, step) for seed in range(3) for purpose in ("batch", "step") for step in range(50)}
    assert len(made) == 300
    assert derive(1, "a", 2) == derive(1, "a", 2)


def whole_numbers(source, *shape, rows):
    return integers(source, 0, 99, *shape, rows=rows)


@pytest.mark.parametrize("draw", [uniform, normal, whole_numbers])
@pytest.mark.parametrize("rows", [0, 1])
def test_processes_share_out_the_rows_that_one_would_draw(draw, rows):
    def drawn(part, parts):
        source = SharedGenerator()
        source.manual_seed(5)
        source.part, source.parts = part, parts
        return draw(source, *(12 // parts if axis == rows else 3 for axis in range(2)), rows=rows)

    whole, shared = drawn(0, 1), [drawn(part, 3) for part in range(3)]
    for part in range(3):
        own = torch.arange(part, 12, 3)
        assert torch.equal(shared[part], whole.index_select(rows, own))
    assert len(whole.unique()) > 1
