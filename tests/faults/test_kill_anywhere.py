"""Commands that are killed at random moments, through the script that does the same more often."""

import pytest

from benchmarks import kill_anywhere


@pytest.mark.slow
def test_killed_commands_end_as_if_they_had_not_been(capsys):
    assert kill_anywhere.main(["--moments", "2", "--seed", "1"]) == 0, capsys.readouterr().out
