"""A command ends with one line and a status, or with the traceback of a defect."""

import pytest

from lednet_mm.errors import InputError, run_command


def swallowed(cause):
    """Raise another error on Ctrl-C, as some libraries do."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        if cause:
            raise InputError("the config cannot be written") from error
        raise SyntaxError("Failed to format the config file")  # noqa: B904  (what mmengine does)


@pytest.mark.parametrize("cause", [True, False])
def test_ctrl_c_that_a_library_turned_into_an_error_is_still_ctrl_c(cause, capsys):
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: swallowed(cause))
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 // 0)
