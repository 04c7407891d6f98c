"""lednet_authors on Cityscapes' fine labels, beginning from its weights of a training on the coarse ones.

The dataset cityscapes_fine_coarse trains on both together instead, by any recipe.
"""

_base_ = "lednet_authors.py"

recipe = "lednet_authors_coarse_first"
earlier_stage = dict(recipe="lednet_authors", dataset="cityscapes_coarse")
