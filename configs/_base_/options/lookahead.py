"""Lookahead (arXiv:1907.08610): every 5 steps the weights go half the way; with radam, Ranger."""

default_hooks = dict(lookahead=dict(type="LookaheadHook", steps=5, share=0.5))
