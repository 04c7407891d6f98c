"""LEDNet's authors' whole training: lednet_authors_encoder, then lednet_authors from that encoder.

Two trainings of 300 epochs each, the second with its optimizer and schedule begun again. One command trains
both; the first is in the folder earlier_stage of the work folder.
"""

_base_ = "lednet_authors.py"

recipe = "lednet_authors_two_stages"
earlier_stage = dict(recipe="lednet_authors_encoder")
