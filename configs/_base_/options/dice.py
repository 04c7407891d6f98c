"""Cross entropy plus the Dice loss of all classes (arXiv:1606.04797)."""

loss = [dict(type="WeightedCrossEntropy"), dict(type="SoftDice")]
