"""Counting: parameters, multiply-adds, memory and the roofline of a network."""
