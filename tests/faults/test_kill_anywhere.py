"""Commands are killed at random moments by the benchmark script that does this more often."""

import pytest

from benchmarks import kill_anywhere


@pytest.mark.slow
def test_killed_commands_end_as_if_they_had_not_been(capsys):
    assert kill_anywhere.main(["--moments", "2", "--seed", "1"]) == 0, capsys.readouterr().out
