"""Wrappers on instances: they come off without a trace, keep to what was there, and are no part of a copy."""

import copy
import pickle

from gluon_initkit._mxnet.instrument.patches import InstancePatches


class Thing:
    def __init__(self):
        self.value = 3

    def answer(self):
        return self.value


def negated(original):
    return lambda: -original()


def wrapped(thing):
    wrappers = InstancePatches()
    wrappers.put(thing, "answer", negated)
    return wrappers


def test_putting_twice_wraps_once_and_taking_leaves_nothing():
    thing = Thing()
    wrappers = wrapped(thing)
    wrappers.put(thing, "answer", negated)
    assert thing.answer() == -3 and thing.answer.__name__ == "answer"
    wrappers.take(thing, "answer")
    wrappers.take(thing, "answer")
    assert vars(thing) == {"value": 3} and thing.answer() == 3


def test_what_was_on_the_instance_before_comes_back():
    thing = Thing()
    thing.answer = lambda: 7
    mine = thing.answer
    wrappers = wrapped(thing)
    assert thing.answer() == -7
    wrappers.take_all()
    assert thing.answer is mine


def test_what_somebody_puts_on_later_stays():
    thing = Thing()
    wrappers = wrapped(thing)
    later = thing.answer = lambda: 9
    wrappers.take_all()
    assert thing.answer is later


def test_what_is_still_under_way_puts_on_nothing_any_more():
    thing = Thing()
    wrappers = wrapped(thing)
    wrappers.take_all()
    wrappers.put(thing, "answer", negated)
    assert vars(thing) == {"value": 3}


def test_copies_are_bare():
    for before in (False, True):
        thing = Thing()
        if before:
            thing.answer = abs
        wrappers = wrapped(thing)
        wrappers.put_copying(thing)
        for other in (copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
            assert vars(other) == ({"value": 3, "answer": abs} if before else {"value": 3})
        wrappers.take_all()
        assert vars(thing).keys() == {"value", "answer"} if before else {"value"}


class Reduced(Thing):
    def __reduce__(self):
        return Reduced, ()


def test_a_class_that_says_itself_how_it_is_copied_is_obeyed():
    thing = Reduced()
    thing.value = 5
    wrapped(thing).put_copying(thing)
    assert copy.deepcopy(thing).value == 3
