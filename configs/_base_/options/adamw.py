"""AdamW (arXiv:1711.05101) instead of the recipe's optimiser; learning rate and weight decay stay."""

optimizer = dict(type="AdamW")
