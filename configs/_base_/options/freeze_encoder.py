"""The encoder keeps its weights and statistics, those of --pretrained for example; the decoder learns."""

model = dict(frozen=("backbone",))
