"""Work in threads keeps its order, ends at the first failure, and uses threads only where they pay."""

import threading
import time
from collections.abc import Callable, Iterable

import pytest

from ganaug.io.threads import map_in_threads


def fast(item: int) -> tuple[int, str]:
    return item, threading.current_thread().name


def slow(item: int) -> tuple[int, str]:
    time.sleep(0.002)
    return fast(item)


@pytest.mark.parametrize("work", [fast, slow])
@pytest.mark.parametrize("items", [range(500), [7], []])
@pytest.mark.parametrize("container", [list, iter])
def test_results_come_in_order_and_progress_ends_with_all(
    work: Callable[[int], tuple[int, str]], items: Iterable[int], container: Callable[[Iterable[int]], Iterable[int]]
) -> None:
    steps: list[tuple[int, int]] = []
    items = list(items)
    results = map_in_threads(work, container(items), lambda done, total: steps.append((done, total)), total=len(items))
    assert [item for item, _ in results] == items
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    assert not items or steps[-1] == (len(items), len(items))


def test_fast_work_stays_on_the_callers_thread_and_slow_work_leaves_it() -> None:
    caller = threading.current_thread().name
    assert {name for _, name in map_in_threads(fast, list(range(500)))} == {caller}
    assert any(name != caller for _, name in map_in_threads(slow, list(range(500))))


def test_work_that_turns_slow_goes_to_threads() -> None:
    caller = threading.current_thread().name
    results = list(map_in_threads(lambda item: (fast if item < 100 else slow)(item), list(range(400))))
    assert results[0][1] == caller
    assert results[-1][1] != caller


@pytest.mark.parametrize("work", [fast, slow])
def test_the_first_failure_is_raised(work: Callable[[int], tuple[int, str]]) -> None:
    def fail_at_40(item: int) -> tuple[int, str]:
        if item == 40:
            raise ValueError("the fortieth")
        return work(item)

    with pytest.raises(ValueError, match="the fortieth"):
        list(map_in_threads(fail_at_40, list(range(500))))
