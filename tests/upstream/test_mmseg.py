"""The private parts of MMSegmentation's transforms that are used still do what is needed."""

import numpy as np
import pytest
import torch
from mmseg.models import SegDataPreProcessor
from PIL import Image

from lednet_mm.upstream.mmseg import LabelTransform, normalisation


@pytest.fixture
def results(tmp_path):
    Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).save(tmp_path / "label.png")
    return {"seg_map_path": str(tmp_path / "label.png"), "reduce_zero_label": False, "seg_fields": []}


def test_labels_are_read_by_the_method_with_a_documented_name(results):
    class Own(LabelTransform):
        def read_labels(self, results):
            results["gt_seg_map"] = "read here"

    assert Own().transform(results)["gt_seg_map"] == "read here"


def test_without_a_change_it_reads_as_mmsegmentation_does(results):
    found = LabelTransform(imdecode_backend="pillow").transform(results)
    assert found["gt_seg_map"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["seg_fields"] == ["gt_seg_map"]


def test_what_the_preprocessing_does_to_values():
    images = [torch.rand(3, 4, 5) * 255]
    for settings in ({"mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0], "bgr_to_rgb": True}, {}):
        preprocessor = SegDataPreProcessor(**settings)
        flip, mean, std = normalisation(preprocessor)
        ours = ((images[0].flip(0) if flip else images[0]) - mean) / std
        theirs = preprocessor({"inputs": images, "data_samples": None})["inputs"][0]
        torch.testing.assert_close(ours, theirs)
