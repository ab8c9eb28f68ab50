"""The estimators: GANAugmenter, AugmentedClassifier, Pix2Pix, CycleGAN and ClassTranslator."""
