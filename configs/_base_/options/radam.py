"""RAdam (arXiv:1908.03265) instead of the recipe's optimiser; learning rate and weight decay stay."""

optimizer = dict(type="RAdam", decoupled_weight_decay=True)  # decoupled, as in its authors' code
