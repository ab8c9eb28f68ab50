"""Files in threads: in order, the first failure ends it, and threads only where they pay."""

import threading
import time
from collections.abc import Callable, Iterable

import pytest

from ganaug.io.threads import in_threads


def at_once(item: int) -> tuple[int, str]:
    return item, threading.current_thread().name


def slowly(item: int) -> tuple[int, str]:
    time.sleep(0.002)
    return at_once(item)


@pytest.mark.parametrize("work", [at_once, slowly])
@pytest.mark.parametrize("items", [range(500), [7], []])
@pytest.mark.parametrize("as_given", [list, iter])
def test_results_come_in_order_and_progress_ends_with_all(
    work: Callable[[int], tuple[int, str]], items: Iterable[int], as_given: Callable[[Iterable[int]], Iterable[int]]
) -> None:
    steps: list[tuple[int, int]] = []
    items = list(items)
    found = in_threads(work, as_given(items), lambda done, total: steps.append((done, total)), total=len(items))
    assert [item for item, _ in found] == items
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    assert not items or steps[-1] == (len(items), len(items))


def test_brief_work_stays_on_the_callers_thread_and_slow_work_leaves_it() -> None:
    own = threading.current_thread().name
    assert {name for _, name in in_threads(at_once, list(range(500)))} == {own}
    assert any(name != own for _, name in in_threads(slowly, list(range(500))))


def test_work_that_turns_slow_goes_to_threads() -> None:
    own = threading.current_thread().name
    found = list(in_threads(lambda item: (at_once if item < 100 else slowly)(item), list(range(400))))
    assert found[0][1] == own
    assert found[-1][1] != own


@pytest.mark.parametrize("work", [at_once, slowly])
def test_the_first_failure_ends_it(work: Callable[[int], tuple[int, str]]) -> None:
    def fails(item: int) -> tuple[int, str]:
        if item == 40:
            raise ValueError("the fortieth")
        return work(item)

    with pytest.raises(ValueError, match="the fortieth"):
        list(in_threads(fails, list(range(500))))
