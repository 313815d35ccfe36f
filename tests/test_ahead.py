"""Work done ahead: equal results in the same order, the limits hold, and errors are raised at their item."""

import threading
import time

import numpy as np
import pytest

from tests.clips import clip as make_clip
from vgmae_bench.ahead import MEMORY, THREADS, NextAhead, drawn_ahead, made_ahead, read_memory, read_threads
from vgmae_bench.errors import UsageError


@pytest.mark.parametrize(("ahead", "threads"), [(0, 1), (1, 1), (3, 2), (4, 4)])
def test_items_come_in_order_and_no_more_are_in_work_than_threads(ahead, threads):
    at_once, most, lock, used = 0, 0, threading.Lock(), set()

    def make(number):
        nonlocal at_once, most
        used.add(threading.current_thread())
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.002 * (number % 3))  # later ones may be ready earlier
        with lock:
            at_once -= 1
        return number**2

    assert list(made_ahead(range(12), make, ahead, threads)) == [number**2 for number in range(12)]
    assert most <= threads
    assert (threading.current_thread() in used) == (ahead == 0)


def test_an_error_comes_in_the_place_of_its_item():
    made = made_ahead(range(5), lambda number: 1 // (3 - number), 2, 2)
    assert [next(made) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_an_iterator_is_advanced_in_order(ahead):
    def numbers():
        yield from range(5)
        raise ValueError("broken at the end")

    drawn = drawn_ahead(numbers(), ahead)
    assert [next(drawn) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="broken at the end"):
        next(drawn)
    assert list(drawn_ahead(iter(()), ahead)) == []


def test_the_next_item_is_made_while_one_is_in_use():
    begun, may_end = threading.Event(), threading.Event()

    def make(name, ahead):
        if ahead:
            begun.set()
            assert may_end.wait(5)
        return f"{name} {'ahead' if ahead else 'now'}"

    reader = NextAhead(make)
    assert reader.get("a", "b") == "a now"
    assert begun.wait(5)  # while a is in use
    may_end.set()
    assert reader.get("b", "c") == "b ahead"
    assert reader.get("d", None) == "d now"  # another process made c
    reader.close()


def test_an_item_without_memory_is_made_on_request():
    reader = NextAhead(lambda name, ahead: None if ahead else name)
    assert [reader.get("a", "b"), reader.get("b", None)] == ["a", "b"]
    reader.close()


def test_environment_variables_must_be_whole_numbers(monkeypatch):
    monkeypatch.setenv(THREADS, "3")
    monkeypatch.setenv(MEMORY, "2")
    assert (read_threads(), read_memory()) == (3, 2 * 2**20)
    monkeypatch.setenv(THREADS, "many")
    with pytest.raises(UsageError, match=f"{THREADS} is 'many'"):
        read_threads()


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize(("threads", "memory"), [("0", "512"), ("1", "512"), ("3", "512"), ("3", "0")])
def test_threads_resize_a_clip_to_the_same_bits(monkeypatch, parallel, threads, memory):
    frames = np.random.default_rng(0).integers(0, 256, (37, 40, 56, 3), dtype=np.uint8)
    at_once, most = 0, 0

    def part(start, stop):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.002)
        at_once -= 1
        return frames[start:stop]

    whole = make_clip(num_frames=37, size=(40, 56))
    clip = type(whole)(whole.id, (40, 56), whole.points, whole.occluded, lambda: frames, part=part, parallel=parallel)
    monkeypatch.setenv(THREADS, "0")
    expected = clip.frames((24, 32))
    monkeypatch.setenv(THREADS, threads)
    monkeypatch.setenv(MEMORY, memory)
    most = 0
    assert np.array_equal(clip.frames((24, 32)), expected)
    assert most == 1 or (parallel and threads == "3" and memory != "0")
