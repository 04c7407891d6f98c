"""Text from elsewhere is escaped in every medium, and in settings of the command line."""

import argparse
import io

import pytest
from rich.console import Console
from rich.text import Text

from lednet_mm.options import add_config, parse_value
from lednet_mm.text import (
    for_csv,
    for_file_name,
    for_latex,
    for_markdown,
    for_markup,
    for_plot,
    fps_text,
    is_name,
    one_line,
)

HOSTILE = "a[/b] $x_1$ <img src=x> |c| `d`\n\x1b[31me\u202e & 5% \x00"


def test_one_line_has_no_control_characters():
    assert one_line("plain, ± 5 %") == "plain, ± 5 %"
    assert one_line(HOSTILE).isprintable()
    assert "\\x1b[31m" in one_line(HOSTILE)


def test_markup_is_shown_as_it_is():
    console = Console(file=io.StringIO(), width=200)
    console.print(Text.from_markup(for_markup(HOSTILE)))
    assert "a[/b] $x_1$" in console.file.getvalue()


def test_each_medium_escapes_what_it_interprets():
    assert for_markdown("a|b <i> [x](y) no_apn") == r"a\|b \<i\> \[x\](y) no_apn"
    assert for_latex("50 % of $x_1$ & ~") == r"50 \% of \$x\_1\$ \& \textasciitilde{}"
    assert for_plot("$x$") == r"\$x\$"
    assert [for_csv(value) for value in ("=1+1", "-a", "a=1", 3, None)] == ["'=1+1", "'-a", "a=1", 3, None]


@pytest.mark.parametrize("text", ["", ".", "..", ".git", "a/b", "a\\b", "x" * 101, "a\0", "a\nb", " a"])
def test_what_is_no_name(text):
    assert not is_name(text)


def test_names_and_file_names():
    assert is_name("lednet")
    assert is_name("erfnet_fcn_4xb4-160k_cityscapes-512x1024")
    assert is_name("Straßen, Köln")
    assert for_file_name("camvid test") == "camvid-test"
    assert for_file_name("x/../../y") != for_file_name("x-..-..-y")
    assert "/" not in for_file_name("x/../../y")
    assert len(for_file_name("n" * 300)) < 120
    assert for_file_name("/") != for_file_name("//")
    assert len(for_file_name("街" * 300).encode()) < 220


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("1e-3", 0.001),
        ("true", True),
        ("None", None),
        ("1,2", [1, 2]),
        ("[1.0,2.0]", [1.0, 2.0]),
        ("(512,1024)", (512, 1024)),
        ("[(a,b),(c,d)]", [("a", "b"), ("c", "d")]),
        ("a,b c", ["a", "b c"]),
        ("/data/my streets", "/data/my streets"),
        ("'1,2'", "1,2"),
        ("/data/odd (copy", "/data/odd (copy"),
        ("/home/o'brien/x", "/home/o'brien/x"),
        ("", ""),
    ],
)
def test_values_of_settings(text, value):
    assert parse_value(text) == value


def test_settings_of_the_command_line(capsys):
    parser = argparse.ArgumentParser()
    add_config(parser)
    parsed = parser.parse_args(
        ["CONFIG", "--cfg-options", "a.b=1", "c=x y", "--cfg-options", "d="]
    ).cfg_options
    assert parsed == {"a.b": 1, "c": "x y", "d": ""}
    for wrong in ("foo", "=1", "a=[1,2"):
        with pytest.raises(SystemExit):
            parser.parse_args(["CONFIG", "--cfg-options", wrong])
        assert "Traceback" not in capsys.readouterr().err


def test_a_slow_network_has_no_zero_frames_per_second():
    assert [fps_text(fps) for fps in (0.0123, 0.96, 1.04, 123.456)] == ["0.012", "0.96", "1.0", "123.5"]
