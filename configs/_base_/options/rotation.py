"""Every training image is turned by a random angle of -5 to 5 degrees."""

further_augmentation = [dict(type="RandomRotate", prob=1.0, degree=5.0)]
