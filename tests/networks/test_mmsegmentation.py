"""The networks that are MMSegmentation's own; they have no vector, so they are compared with its configs."""

from tests.networks.base import MMSegmentationTest


class TestBiSeNetV1(MMSegmentationTest):
    """As its config in this project has it."""

    network = "bisenetv1_mmseg"
    mmseg_config = "_base_/models/bisenetv1_r18-d32.py"
    millions = 13.43


class TestBiSeNetV2(MMSegmentationTest):
    """As its config in this project has it."""

    network = "bisenetv2_mmseg"
    mmseg_config = "_base_/models/bisenetv2.py"
    millions = 14.80


class TestDDRNet(MMSegmentationTest):
    """As its config in this project has it."""

    network = "ddrnet23_slim_mmseg"
    mmseg_config = "ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py"
    millions = 5.73
    losses = {"loss_context", "loss_spatial"}
    kept_norms = 12


class TestERFNetOfMMSegmentation(MMSegmentationTest):
    """As its config in this project has it."""

    network = "erfnet_mmseg"
    mmseg_config = "_base_/models/erfnet_fcn.py"
    millions = 2.084
    kept_norms = 3


class TestFastSCNNOfMMSegmentation(MMSegmentationTest):
    """As its config in this project has it."""

    network = "fastscnn_mmseg"
    mmseg_config = "_base_/models/fast_scnn.py"
    millions = 1.457


class TestICNet(MMSegmentationTest):
    """As its config in this project has it."""

    network = "icnet"
    mmseg_config = "_base_/models/icnet_r50-d8.py"
    millions = 47.83


class TestMobileNetV3(MMSegmentationTest):
    """As its config in this project has it."""

    network = "mobilenetv3_lraspp"
    mmseg_config = "_base_/models/lraspp_m-v3-d8.py"
    millions = 3.28


class TestPIDNet(MMSegmentationTest):
    """As its config in this project has it."""

    network = "pidnet_s_mmseg"
    mmseg_config = "pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py"
    millions = 7.72
    losses = {"loss_sem_p", "loss_sem_i", "loss_bd", "loss_sem_bd"}
    kept_norms = 9

    def batch(self, device="cpu"):
        images, samples = super().batch(device)
        for sample in samples:  # labels of noise have an edge at every pixel
            sample.gt_sem_seg.data[..., : self.size[1] // 2] = 0
        return images, samples


class TestSegFormer(MMSegmentationTest):
    """As its config in this project has it."""

    network = "segformer_b0_mmseg"
    mmseg_config = "_base_/models/segformer_mit-b0.py"
    millions = 3.72


class TestSTDC1(MMSegmentationTest):
    """As its config in this project has it."""

    network = "stdc1_mmseg"
    mmseg_config = "stdc/stdc1_4xb12-80k_cityscapes-512x1024.py"
    millions = 8.57
    losses = {"loss_ce", "loss_dice"}


class TestSTDC2(MMSegmentationTest):
    """As its config in this project has it."""

    network = "stdc2_mmseg"
    mmseg_config = "stdc/stdc2_4xb12-80k_cityscapes-512x1024.py"
    millions = 12.60
    losses = {"loss_ce", "loss_dice"}


class TestUNet(MMSegmentationTest):
    """As its config in this project has it."""

    network = "unet"
    mmseg_config = "unet/unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024.py"
    millions = 29.06
    narrow = {
        "model.backbone.base_channels": 8,
        "model.decode_head.in_channels": 8,
        "model.auxiliary_head.in_channels": 16,
    }
