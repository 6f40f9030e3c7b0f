import pytest
import torch

from engines import request
from safegrid.engine.batches import cut, pad
from safegrid.engine.decode import draw, uniforms

LOGITS = torch.tensor([[0.1, 2.0, 1.0, -1.0, 1.5]]).log_softmax(-1)


def shares(count=4000, **settings):
    """How often each token is drawn over evenly spread uniform numbers."""
    spread = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    tokens = draw(LOGITS.expand(count, -1), request(**settings), spread)
    return torch.bincount(tokens, minlength=5) / count


def test_cut_sorts_and_bounds_rows_and_padded_tokens():
    assert cut([5, 1, 9, 2, 3, 2], rows=3, tokens=10) == [[1, 3, 5], [4, 0], [2]]
    assert cut([2, 2, 2, 2], rows=2, tokens=100) == [[0, 1], [2, 3]]
    assert cut([50], rows=3, tokens=10) == [[0]]
    assert cut([], rows=3, tokens=10) == []


def test_cut_keeps_rows_of_like_length_together_where_asked():
    lengths = [10, 100, 26, 27, 125, 126]
    assert cut(lengths, rows=9, tokens=9999) == [[0, 2, 3, 1, 4, 5]]
    assert cut(lengths, rows=9, tokens=9999, spread=0.25) == [[0, 2], [3], [1, 4], [5]]


@pytest.mark.parametrize(("left", "row"), [(True, [9, 9, 4]), (False, [4, 9, 9])])
def test_pad_marks_where_tokens_stand(left, row):
    ids, mask = pad([[1, 2, 3], [4]], left, torch.device("cpu"), fill=9)
    assert ids.tolist() == [[1, 2, 3], row]
    assert mask[1].tolist() == [int(i == 4) for i in row]


def test_temperature_zero_takes_the_likeliest():
    assert draw(LOGITS, request(), torch.zeros(1)).tolist() == [1]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_distribution(temperature):
    expected = (LOGITS[0] / temperature).softmax(-1)
    found = shares(temperature=temperature)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({"top_k": 2}, [1, 4]),
        # Sorted, the chances are 0.43, 0.26, 0.16, 0.06 and so on.
        ({"top_p": 0.3}, [1]),
        ({"top_p": 0.5}, [1, 4]),
        ({"top_p": 0.75}, [1, 4, 2]),
    ],
)
def test_the_likeliest_are_kept_in_proportion(settings, tokens):
    expected = torch.zeros(5)
    expected[tokens] = LOGITS[0, tokens].softmax(-1)
    found = shares(temperature=1.0, **settings)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_a_token_of_no_probability_is_never_drawn():
    logits = torch.tensor([[0.0, -torch.inf, 0.0, -torch.inf]])
    for uniform in (0.0, 0.5, 1 - 2**-53):
        number = torch.tensor([uniform], dtype=torch.float64)
        assert draw(logits, request(temperature=1), number).item() in (0, 2)


def test_a_broken_model_gives_an_id_that_exists():
    logits = torch.full((1, 4), torch.nan)
    half = torch.tensor([0.5]).double()
    assert 0 <= draw(logits, request(temperature=1), half).item() < 4


def test_a_rows_numbers_depend_on_its_seed_alone():
    alone, together = uniforms([7], 5), uniforms([3, 7, 7], 5)
    assert torch.equal(alone[0], together[1])
    assert torch.equal(together[1], together[2])
    assert not torch.equal(together[0], together[1])
    assert torch.equal(uniforms([7], 3)[0], alone[0, :3])
