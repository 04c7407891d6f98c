"""Repositories whose code several networks follow, and deviations that their cards have in common."""

ESN = "github.com/xiaoyufenfei/Efficient-Segmentation-Networks"
ESN_COMMIT = "0f0c32e"
ZH320 = "github.com/zh320/realtime-semantic-segmentation-pytorch"
ZH320_COMMIT = "c77b1b6"

THIRD_PARTY = "The proof is against a third party's re-implementation, not the paper authors' code."
LAST_NORM = "The logits pass through a batch normalisation and an activation of their own."
