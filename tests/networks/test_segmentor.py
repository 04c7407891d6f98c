"""The segmentor and its loss."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from lednet_mm.networks.asynchronous import HardestPixelsCrossEntropy
from lednet_mm.networks.losses import FocalCrossEntropy, WeightedCrossEntropy


@MODELS.register_module()
class Unpadded(torch.nn.Conv2d):
    """A dilated convolution that makes its map smaller."""

    def __init__(self):
        super().__init__(3, 4, 3, dilation=2)


HEAD = {"type": "ClassifierHead", "in_channels": 128}


def segmentor(**changes):
    torch.manual_seed(0)
    config = {"type": "Segmentor", "num_classes": 3, "backbone": {"type": "LEDNet"}, "decode_head": HEAD}
    return MODELS.build({**config, **changes})


class TestWeightedCrossEntropy:
    """Against PyTorch's weighted mean."""

    @pytest.fixture
    def batch(self):
        torch.manual_seed(0)
        labels = torch.randint(0, 3, (2, 5, 6))
        labels[0, :2] = 255
        return torch.randn(2, 3, 5, 6), labels

    @pytest.mark.parametrize("class_weight", [None, [1.0, 2.0, 5.0]])
    def test_mean_over_the_labelled_pixels(self, batch, class_weight):
        weights = None if class_weight is None else torch.tensor(class_weight)
        expected = F.cross_entropy(*batch, weights, ignore_index=255)
        assert torch.allclose(WeightedCrossEntropy(class_weight)(*batch), expected)
        assert torch.allclose(WeightedCrossEntropy(class_weight, loss_weight=0.4)(*batch), 0.4 * expected)

    def test_weights_are_not_rounded_in_mixed_precision(self, batch):
        logits, labels = batch
        weights = [2.8149, 6.985, 3.789]  # none of them is a bfloat16
        with torch.autocast("cpu", torch.bfloat16):
            found = WeightedCrossEntropy(weights)(logits.bfloat16(), labels)
        expected = F.cross_entropy(logits.bfloat16().float(), labels, torch.tensor(weights), ignore_index=255)
        torch.testing.assert_close(found.float(), expected, rtol=1e-5, atol=0)

    @pytest.mark.parametrize("class_weight", [None, [1.0, 2.0, 5.0]])
    def test_mean_over_the_pixels_that_a_sampler_picked(self, batch, class_weight):
        logits, labels = batch
        picked = torch.rand(labels.shape) < 0.5
        without = WeightedCrossEntropy(class_weight)(logits, labels.where(picked, 255))
        assert torch.allclose(
            WeightedCrossEntropy(class_weight)(logits, labels, weight=picked.float()), without
        )

    @pytest.mark.parametrize("weight", [None, torch.zeros(2, 5, 6)])
    def test_nothing_to_learn_from_gives_zero(self, batch, weight):
        labels = torch.full((2, 5, 6), 255)
        assert WeightedCrossEntropy([1.0, 2.0, 5.0])(batch[0], labels, weight=weight) == 0


class TestSegmentor:
    """Settings that it makes once for all heads, and images of any size."""

    def test_heads_get_the_classes_and_weights(self):
        own = {**HEAD, "num_classes": 2, "loss_decode": {"type": "DiceLoss"}}
        quiet = {**HEAD, "loss_decode": {"type": "WeightedCrossEntropy", "loss_weight": 0.4}}
        model = segmentor(auxiliary_head=[quiet, own], class_weight=[1, 2, 3])
        assert [head.num_classes for head in (model.decode_head, *model.auxiliary_head)] == [3, 3, 2]
        assert model.decode_head.loss_decode.class_weight == [1, 2, 3]
        assert model.auxiliary_head[0].loss_decode.class_weight == [1, 2, 3]
        assert model.auxiliary_head[0].loss_decode.loss_weight == 0.4
        assert not hasattr(model.auxiliary_head[1].loss_decode, "class_weight")

    def test_the_loss_of_a_recipe_takes_the_place_of_cross_entropy_alone(self):
        quiet = {**HEAD, "loss_decode": {"type": "WeightedCrossEntropy", "loss_weight": 0.4}}
        own = {**HEAD, "loss_decode": {"type": "OhemCrossEntropy"}}
        focal = {"type": "FocalCrossEntropy", "gamma": 3.0}
        heads = {"auxiliary_head": [quiet, own], "class_weight": [1, 2, 3]}
        model = segmentor(loss=focal, **heads)
        losses = [head.loss_decode for head in (model.decode_head, *model.auxiliary_head)]
        assert [type(loss) for loss in losses] == [
            *(FocalCrossEntropy, FocalCrossEntropy),
            HardestPixelsCrossEntropy,
        ]
        assert [(loss.gamma, loss.loss_weight, loss.class_weight) for loss in losses[:2]] == [
            (3.0, 1.0, [1, 2, 3]),
            (3.0, 0.4, [1, 2, 3]),
        ]
        both = [{"type": "WeightedCrossEntropy"}, {"type": "SoftDice", "loss_weight": 0.5}]
        model = segmentor(loss=both, **heads)
        parts = [head.loss_decode for head in (model.decode_head, model.auxiliary_head[0])]
        assert [[part.loss_weight for part in head] for head in parts] == [[1.0, 0.5], [0.4, 0.2]]
        assert parts[1][1].class_weight is None  # the Dice loss takes none

    def test_dilation_is_doubled_in_evaluation_alone(self):
        plain, doubling = segmentor(), segmentor(evaluation_dilation=2)
        image = torch.randn(2, 3, 32, 64)

        def rates(model):
            return [m.dilation for m in model.modules() if isinstance(m, torch.nn.Conv2d)]

        assert rates(doubling) == rates(plain)
        torch.manual_seed(0)
        expected = plain.extract_feat(image)[-1]
        torch.manual_seed(0)
        assert torch.equal(doubling.extract_feat(image)[-1], expected)
        doubling.load_state_dict(plain.state_dict())
        doubling.eval()
        doubled = [tuple(r if r == 1 else 2 * r for r in pair) for pair in rates(plain)]
        assert rates(doubling) == doubled != rates(plain)
        wide = MODELS.build({"type": "LEDNet", "dilations": (1, 4, 10, 18, 4, 10, 18, 34)}).eval()
        wide.load_state_dict(plain.backbone.state_dict())
        with torch.inference_mode():
            assert torch.equal(doubling.extract_feat(image)[-1], wide(image)[-1])
        assert rates(doubling.train()) == rates(plain)

    def test_dilation_that_cannot_change_is_refused(self):
        with pytest.raises(ValueError, match=r"only with .* zeros can its dilation rate change"):
            segmentor(
                backbone={"type": "Unpadded"}, decode_head={**HEAD, "in_channels": 4}, evaluation_dilation=2
            )

    def test_multiples_are_left_alone(self):
        plain, padding = segmentor().eval(), segmentor(size_multiple=16).eval()
        image = torch.randn(1, 3, 48, 64)
        with torch.inference_mode():
            for ours, theirs in zip(padding.extract_feat(image), plain.extract_feat(image), strict=True):
                assert torch.equal(ours, theirs)

    def test_other_sizes_are_padded_and_cropped(self):
        model = segmentor(size_multiple=32).eval()
        image = torch.randn(1, 3, 75, 133)
        whole = F.pad(image, (0, 27, 0, 21))
        with torch.inference_mode():
            maps, padded = model.extract_feat(image), model.extract_feat(whole)
            assert [tuple(x.shape[2:]) for x in maps] == [(38, 67), (19, 34), (10, 17)]
            for ours, large in zip(maps, padded, strict=True):
                assert torch.equal(ours, large[:, :, : ours.shape[2], : ours.shape[3]])
            assert model.logits(image).shape == (1, 3, 75, 133)
        labels = torch.zeros(1, 75, 133, dtype=torch.long)
        losses = model.train().loss(image, [SegDataSample(gt_sem_seg=PixelData(data=labels))])
        assert losses["decode.loss_ce"].isfinite()

    @pytest.mark.parametrize("sizes", [[(48, 64), (32, 40)], [(48, 64), (48, 64)]])
    def test_images_of_different_sizes_in_one_batch(self, sizes):
        model = segmentor(data_preprocessor={"type": "SegDataPreProcessor"}).eval()
        images = [torch.randn(3, *size) for size in sizes]

        def batch(chosen):
            samples = [
                SegDataSample(metainfo={"ori_shape": i.shape[1:], "img_shape": i.shape[1:]}) for i in chosen
            ]
            return {"inputs": list(chosen), "data_samples": samples}

        with torch.inference_mode():
            together = model.val_step(batch(images))
            alone = [model.test_step(batch([image]))[0] for image in images]
        for one, other in zip(together, alone, strict=True):
            assert torch.allclose(one.seg_logits.data, other.seg_logits.data, atol=1e-4)
