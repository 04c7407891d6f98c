"""CGNet's variants (arXiv:1811.08201): question, claim, expected result and change of each.

CGNet is MMSegmentation's class, which lednet_mm/networks/cgnet.py gives switches for its blocks.
"""

no_dilation = dict(
    question="Must the surrounding context reach farther than the local features?",
    claim="The paper adds a dilated convolution beside each local one, and reports a clear gain from it.",
    expectation="3 to 5 points of mIoU worse",
    change={"model.backbone.dilations": (1, 1)},
)
no_global_context = dict(
    question="Do the channel weights that follow from the means over the whole map help?",
    claim="The paper weighs the channels of every block by the global context, and reports a small gain.",
    expectation="up to 1 point of mIoU worse",
    change={"model.backbone.type": "CGNetSwitches", "model.backbone.global_context": False},
)
local_residual = dict(
    question="Should a block add its input before or after the global context weighs the channels?",
    claim="The paper compares both and reports that adding the input after the global context is better.",
    expectation="1 to 3 points of mIoU worse: every block shrinks what it hands on",
    change={"model.backbone.type": "CGNetSwitches", "model.backbone.residual": "local"},
)
shallow = dict(
    question="How much accuracy do 21 blocks at 1/8 gain compared with 9 blocks?",
    claim="The paper reports that accuracy grows with the number of blocks at 1/8.",
    expectation="1 to 3 points of mIoU worse with 30% fewer parameters",
    change={"model.backbone.num_blocks": (3, 9)},
)
