"""Records are read by several processes with the results, order and errors of one."""

import os
from functools import partial

import pytest

from lednet_mm.reports import reading
from lednet_mm.reports.processes import map_in_processes
from lednet_mm.reports.reading import read_evidence
from tests.conftest import ROOT

STUDY = ROOT / "reports" / "camvid_half_cpu"


def test_results_come_in_order_from_other_processes():
    offset = 5  # a function that cannot be sent to a process, only inherited
    found = list(map_in_processes(lambda n: (n + offset, os.getpid()), range(300)))
    assert [number for number, _ in found] == list(range(5, 305))
    if (os.cpu_count() or 1) > 1:
        assert os.getpid() not in {process for _, process in found}


def test_few_items_stay_in_this_process():
    assert set(map_in_processes(lambda _: os.getpid(), range(10))) == {os.getpid()}


def test_an_error_ends_the_work():
    def fail(number):
        if number == 150:
            raise ValueError("number 150")
        return number

    with pytest.raises(ValueError, match="number 150"):
        list(map_in_processes(fail, range(300)))
    assert list(map_in_processes(lambda n: n, range(300))) == list(range(300))


def test_evidence_is_the_same_with_processes_and_without(monkeypatch):
    alone = read_evidence([STUDY])
    monkeypatch.setattr(reading, "map_in_processes", partial(map_in_processes, least=1))
    together = read_evidence([STUDY])
    assert together.paths == alone.paths
    assert [record.id for record in together.records] == [record.id for record in alone.records]
    assert together.problems == alone.problems == {}
