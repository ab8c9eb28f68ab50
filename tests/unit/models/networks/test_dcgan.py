from torch import nn

from ganaug.models.networks.dcgan import DCGANDiscriminator


def test_only_the_first_layer_has_no_batch_norm_even_if_its_width_equals_the_image_channels():
    discriminator = DCGANDiscriminator((3, 32, 32), n_classes=2, width=3, normalization="batch")
    has_norm = [any(isinstance(layer, nn.BatchNorm2d) for layer in down.modules()) for down in discriminator.downs]
    assert has_norm == [False, True, True]
