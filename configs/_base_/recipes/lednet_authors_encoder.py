"""The first stage of LEDNet's authors: the encoder alone under a 1x1 classifier, with labels at 1/8.

Everything else is as in their second stage, which is lednet_authors: optimizer, schedule and length. On
Cityscapes the classes have the authors' own weights for this stage.
"""

_base_ = "lednet_authors.py"

recipe = "lednet_authors_encoder"
model = dict(
    decode_head=dict(_delete_=True, type="EncoderHead", in_channels=None, align_corners=True),
    auxiliary_head=None,
)
weighting = ("encoder", "class")
