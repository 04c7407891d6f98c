# Cityscapes' fine labels of train and coarse labels of train_extra together; validation is on fine labels.
_base_ = "cityscapes.py"

dataset = "cityscapes_fine_coarse"
train_images = 2975 + 19998
fine = _base_.train_dataloader.dataset
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="ConcatDataset",
        datasets=[fine, dict(fine, split="train_extra", labels="gtCoarse")],
    )
)
