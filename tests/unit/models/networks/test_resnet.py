from ganaug.models.networks.resnet import ResNetDiscriminator


def test_only_the_first_block_takes_images_even_if_its_width_equals_the_image_channels():
    discriminator = ResNetDiscriminator((3, 32, 32), n_classes=2, width=3, normalization="none")
    assert [block.takes_image for block in discriminator.blocks] == [True, False, False]
