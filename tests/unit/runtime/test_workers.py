"""Work on several cores with the results in the order of the items."""

import threading
from time import sleep

import pytest
import torch

from ganaug._runtime.workers import parallel_map


@pytest.fixture(params=[1, 2, 4])
def cores(request):
    n_threads = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(n_threads)


def test_results_are_in_order_and_every_item_is_computed_once(cores):
    started, threads = [], set()

    def work(item):
        started.append(item)
        threads.add(threading.current_thread().name)
        sleep(0.004 if item % 3 == 0 else 0.001)
        return item, torch.get_num_threads()

    assert list(parallel_map(work, range(40))) == [(item, 1) for item in range(40)]
    assert sorted(started) == list(range(40))
    assert threading.main_thread().name in threads  # the calling thread works too
    assert len(threads) == cores
    assert torch.get_num_threads() == cores


@pytest.mark.usefixtures("cores")
def test_few_items_are_consumed_ahead_of_the_results():
    consumed = []
    results = parallel_map(lambda item: item, (consumed.append(item) or item for item in range(1000)))
    next(results)
    assert len(consumed) <= 9
    results.close()
    assert len(consumed) <= 9


def test_an_error_is_raised_after_the_results_of_the_items_before(cores):
    def work(item):
        sleep(0.005 * (item == 2))
        return 6 // (3 - item)

    results = parallel_map(work, range(10))
    assert [next(results) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert torch.get_num_threads() == cores


def test_no_items_give_no_results():
    assert list(parallel_map(lambda item: item, [])) == []
