"""The networks inside encoders and decoders."""

import math

import pytest
import torch

import priory
from priory import MLP, BernoulliDecoder, CategoricalDecoder, GaussianEncoder, StandardPrior
from priory.networks import ConvDecoderNetwork, ConvEncoderNetwork, GatedMLP

IMAGES = [(28, 28), (8, 8), (3, 9, 5), (1, 1, 2)]


def test_a_gated_layer_is_a_product():
    network = GatedMLP((3,), (2,), (4,))
    first, final = network.layers
    (weight, bias), (gates, gate_bias), (last, last_bias) = (
        (layer.weight.tolist(), layer.bias.tolist()) for layer in (first.linear, first.gate, final)
    )
    x = [0.5, -2.0, 1.0]

    def linear(row, offset, values):
        return sum(w * v for w, v in zip(row, values, strict=True)) + offset

    hidden = []
    for unit in range(4):
        gate = linear(gates[unit], gate_bias[unit], x)
        hidden.append(linear(weight[unit], bias[unit], x) / (1 + math.exp(-gate)))
    expected = [linear(row, offset, hidden) for row, offset in zip(last, last_bias, strict=True)]
    torch.testing.assert_close(network(torch.tensor(x)), torch.tensor(expected))
    assert GatedMLP((2, 3), (4, 5), ())(torch.zeros(6, 1, 2, 3)).shape == (6, 1, 4, 5)


@pytest.mark.parametrize("shape", IMAGES)
@pytest.mark.parametrize("pixel_shape", [(), (5,)])
def test_convolutions_fit_every_image(shape, pixel_shape):
    encoder = ConvEncoderNetwork(shape, (4,), hidden_sizes=(6,), channels=(2, 3))
    decoder = ConvDecoderNetwork((4,), shape, pixel_shape, hidden_sizes=(6,), channels=(3, 2))
    z = encoder(torch.rand(2, 3, *shape))
    assert z.shape == (2, 3, 4)
    assert decoder(z).shape == (2, 3, *shape, *pixel_shape)
    assert encoder(torch.rand(shape)).shape == (4,)
    assert encoder(torch.rand(0, *shape)).shape == (0, 4)
    decoder(z).square().sum().backward()
    for network in (encoder, decoder):
        assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize(
    "network",
    [
        GatedMLP((3, 9, 5), (4,), (6,)),
        ConvEncoderNetwork((3, 9, 5), (4,), (6,), channels=(2, 3)),
        ConvDecoderNetwork((3, 9, 5), (9, 5), (2,), (6,), channels=(3, 2)),
    ],
    ids=lambda network: type(network).__name__,
)
def test_no_example_sees_the_others_in_its_batch(network):
    x = torch.randn(4, 3, 9, 5)
    others = torch.cat((x[:1], 100 * torch.randn(3, 3, 9, 5)))
    assert network.training
    torch.testing.assert_close(network(x)[0], network(others)[0])
    torch.testing.assert_close(network(x)[0], network(x[0]))
    assert not [name for name, _ in network.named_buffers()]


def test_pixels_lie_where_they_came_from():
    decoder = ConvDecoderNetwork((2,), (3, 6, 4), (5,), (6,), channels=(3, 2))
    z = torch.randn(1, 2)
    plain = decoder.convolutions(decoder.dense(z))  # (1, 3 * 5, H, W)
    assert decoder(z)[0, 2, 1, 3, 4].equal(plain[0, 2 * 5 + 4, 1, 3])


def test_models_of_every_network_are_saved_and_loaded(tmp_path):
    pairs = [
        (GatedMLP((6, 6), (4,), (5,)), BernoulliDecoder(GatedMLP((2,), (6, 6), (5,)))),
        (
            ConvEncoderNetwork((6, 6), (4,), (5,), channels=(2,)),
            CategoricalDecoder(ConvDecoderNetwork((2,), (6, 6), (3,), (5,), channels=(2,))),
        ),
    ]
    for encoder, decoder in pairs:
        vae = priory.VAE(GaussianEncoder(encoder), decoder, StandardPrior(2))
        priory.save(vae, tmp_path)
        again = priory.load(tmp_path)
        x = torch.rand(3, 6, 6)
        assert again.encode(x).equal(vae.encode(x))
        z, ones = torch.randn(3, 2), torch.ones(6, 6)
        assert again.decoder(z).log_prob(ones).equal(vae.decoder(z).log_prob(ones))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GatedMLP((2,), (3,), (0,)), r"hidden_sizes=\(0,\)"),
        (lambda: MLP((2,), (0,)), r"out_shape=\(0,\)"),
        (lambda: ConvEncoderNetwork((9,), (3,)), r"got \(9,\); use fully connected"),
        (lambda: ConvEncoderNetwork((9, 0), (3,)), "at least one"),
        (lambda: ConvEncoderNetwork((9, 9), (3,), channels=()), "at least one convolution"),
        (lambda: ConvDecoderNetwork((2,), (9, 9, 9, 9)), "shape"),
        (lambda: ConvDecoderNetwork((2,), (9, 9), channels=(0,)), "at least one"),
        (lambda: GatedMLP((2,), (3,))(torch.zeros(2, 3)), r"got \(2, 3\)"),
        (lambda: ConvEncoderNetwork((9, 9), (3,))(torch.zeros(9, 8)), r"got \(9, 8\)"),
    ],
)
def test_bad_shapes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
