"""Does it help to train the encoder alone, then encoder and decoder, in as many iterations altogether?

LEDNet's authors train so, as ENet's and ERFNet's before them, and give no figure. Theirs are two trainings
with labels at 1/8 in the first; here both halves share one schedule and labels at full resolution.
"""

_base_ = "../lednet_camvid.py"
variant = "encoder_first"
model = dict(auxiliary_head=dict(type="ClassifierHead", in_channels=128, align_corners=True))
custom_hooks = [*_base_.custom_hooks, dict(type="EncoderFirstHook", share=0.5)]
find_unused_parameters = True  # of one head, in distributed training
