"""Work on several cores, as if it were done one after another."""

import threading
from time import sleep

import pytest
import torch

from ganaug._runtime.workers import in_order


@pytest.fixture(params=[1, 2, 4])
def cores(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order_and_every_item_is_worked_on_once(cores):
    begun, threads = [], set()

    def work(item):
        begun.append(item)
        threads.add(threading.current_thread().name)
        sleep(0.004 if item % 3 == 0 else 0.001)
        return item, torch.get_num_threads()

    assert list(in_order(work, range(40))) == [(item, 1) for item in range(40)]
    assert sorted(begun) == list(range(40))
    assert threading.main_thread().name in threads  # the caller's core does not wait
    assert len(threads) == cores
    assert torch.get_num_threads() == cores


@pytest.mark.usefixtures("cores")
def test_items_are_not_taken_far_ahead_of_what_is_asked_for():
    taken = []
    results = in_order(lambda item: item, (taken.append(item) or item for item in range(1000)))
    next(results)
    assert len(taken) <= 9
    results.close()
    assert len(taken) <= 9


def test_an_error_comes_at_its_place_after_the_results_before_it(cores):
    def work(item):
        sleep(0.005 * (item == 2))
        return 6 // (3 - item)

    results = in_order(work, range(10))
    assert [next(results) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert torch.get_num_threads() == cores


def test_nothing_comes_of_nothing():
    assert list(in_order(lambda item: item, [])) == []
