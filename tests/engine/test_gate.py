"""Many pass a gate at a time, or one alone."""

from __future__ import annotations

import threading

from memoryos_engine.storage.gate import Gate


def test_who_is_inside_may_enter_again_while_somebody_waits_to_be_alone():
    gate, waiting, order = Gate(), threading.Event(), []

    def alone() -> None:
        waiting.set()
        with gate.alone():
            order.append("alone")

    thread = threading.Thread(target=alone)
    with gate.shared():
        thread.start()
        assert waiting.wait(20)
        with gate.shared():
            order.append("inside")
    thread.join(20)

    assert order == ["inside", "alone"]


def test_nobody_enters_while_somebody_is_alone():
    gate, order = Gate(), []

    def enter() -> None:
        with gate.shared():
            order.append("entered")

    thread = threading.Thread(target=enter)
    with gate.alone():
        thread.start()
        with gate.shared():  # whoever is alone is not kept from anything
            order.append("alone")
    thread.join(20)

    assert order == ["alone", "entered"]
