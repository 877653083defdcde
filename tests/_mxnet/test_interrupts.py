"""What a signal's handler raises waits until what has begun is done."""

import os
import signal
import threading

from gluon_initkit._mxnet.state import interrupts_held
import pytest


class TimeOut(Exception):
    pass


@pytest.fixture
def handlers():
    """A SIGTERM that ends the process, as a server's, and a time-out by SIGALRM."""

    def exiting(number, frame):
        raise SystemExit(1)

    def late(number, frame):
        raise TimeOut

    before = {number: signal.signal(number, handler)
              for number, handler in ((signal.SIGTERM, exiting), (signal.SIGALRM, late))}  # fmt: skip
    yield {signal.SIGTERM: exiting, signal.SIGALRM: late}
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ctrl_c_comes_after_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number, raised", [(signal.SIGTERM, SystemExit), (signal.SIGALRM, TimeOut)])
def test_every_other_signal_comes_after_the_block_too(number, raised, handlers):
    done = []
    with pytest.raises(raised), interrupts_held():
        os.kill(os.getpid(), number)
        done.append("all of it")
    assert done == ["all of it"]
    assert signal.getsignal(number) is handlers[number]


def test_of_several_handlers_that_raise_each_runs_and_all_are_put_back(handlers):
    ran = []
    with pytest.raises((SystemExit, TimeOut, KeyboardInterrupt)) as raised, interrupts_held():
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
    error = raised.value
    while error is not None:
        ran.append(type(error))
        error = error.__context__
    assert set(ran) == {SystemExit, TimeOut, KeyboardInterrupt}
    assert all(signal.getsignal(number) is handler for number, handler in handlers.items())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_that_raises_nothing_runs_once_after_the_block():
    order = []
    before = signal.signal(signal.SIGUSR1, lambda *_: order.append("handler"))
    try:
        with interrupts_held():
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGUSR1)
            order.append("block")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert order == ["block", "handler"]


def test_what_is_released_is_broken_off_and_what_is_around_it_is_not(handlers):
    left = []
    with pytest.raises(TimeOut), interrupts_held() as released:
        try:
            with released():
                os.kill(os.getpid(), signal.SIGALRM)
                left.append("the long part went on")
        finally:
            os.kill(os.getpid(), signal.SIGALRM)
            left.append("put back")
    assert left == ["put back"]


def test_one_inside_another_waits_for_the_outer(handlers):
    done = []
    with pytest.raises(TimeOut), interrupts_held():
        with interrupts_held() as released, released():
            os.kill(os.getpid(), signal.SIGALRM)
        done.append("all of it")
    assert done == ["all of it"]


def test_a_handler_that_is_set_inside_stays(handlers):
    def another(number, frame): ...

    with interrupts_held() as released, released():
        signal.signal(signal.SIGALRM, another)
    assert signal.getsignal(signal.SIGALRM) is another


def test_in_another_thread_nothing_is_held_since_no_handler_runs_there():
    found = []

    def work():
        with interrupts_held() as released, released():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
