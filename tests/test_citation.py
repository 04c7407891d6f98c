"""CITATION.cff names the version and the licence of the package."""

import re
from pathlib import Path

import yaml

import lednet_mm

ROOT = Path(__file__).resolve().parents[1]


def test_the_citation_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'^version = "(.+)"$', project, re.MULTILINE)[1] == str(citation["version"])
    assert lednet_mm.__version__ == str(citation["version"])
    assert re.search(r'^license = "(.+)"$', project, re.MULTILINE)[1] == citation["license"]
    assert "Apache License" in (ROOT / "LICENSE").read_text()
