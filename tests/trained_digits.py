"""The demo network, trained a little."""

from __future__ import annotations


def demo_network(images):
    """The demo network on {1}, trained a little, and quantized test images."""
    from asm_hw.training.convert import convert
    from asm_hw.training.data import digits
    from asm_hw.training.digits_training import train, train_asm
    from asm_hw.training.models import digits_cnn

    data, model = digits(), digits_cnn(0)
    train(model, data, epochs=4, seed=0)
    asm = train_asm(model, data, epochs=2, seed=0, alphabets=(1,), weight_bits=5, act_bits=8)
    network = convert(asm, tuple(data.test_images.shape[1:]))
    return network, network.quantize_input(data.test_images[:images])
