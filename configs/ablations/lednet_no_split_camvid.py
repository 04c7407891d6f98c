"""What does splitting a block into two half-width branches cost against one of full width?

The paper claims the split saves computation at equal accuracy; expected: no loss without it, more MACs.
"""

_base_ = "../lednet_camvid.py"
variant = "no_split"
model = dict(backbone=dict(split=False))
