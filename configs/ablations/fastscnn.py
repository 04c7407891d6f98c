"""Fast-SCNN's variants (arXiv:1902.04502): question, claim, expected result and change of each."""

no_detail_skip = dict(
    question="Does the map at 1/8 add detail to the deep one?",
    claim="The paper reports a clear loss without its skip connection, most at edges and on small objects.",
    expectation="3 to 5 points of mIoU worse",
    change={"model.backbone.detail_skip": False},
)
no_pyramid_pooling = dict(
    question="Does pyramid pooling over the map at 1/32 help?",
    claim="The paper's global feature extractor ends with it, for context from regions of many sizes.",
    expectation="up to 1 point of mIoU worse: bottlenecks at 1/32 see much of the image already",
    change={"model.backbone.pyramid_bins": ()},
)
shallow_global_features = dict(
    question="Does the global feature extractor need three bottlenecks in each group?",
    claim="The paper puts most of its layers at low resolution, where a deep extractor is cheap.",
    expectation="3 to 5 points of mIoU worse with a third of the parameters",
    change={"model.backbone.global_groups": ((64, 6, 1, 2), (96, 6, 1, 2), (128, 6, 1, 1))},
)
dilated_fusion = dict(
    question="Should the depth-wise convolution of the fusion be dilated by 4?",
    claim="The paper dilates it by 4, where the deep map is resized by 4; the code followed here does not.",
    expectation="up to half a point of mIoU better",
    change={"model.backbone.fusion_dilation": 4},
)
