from __future__ import annotations

import pytest
import torch

from napari_firstpass.vocabulary import Vocabulary


def on_a_line(*words: float) -> Vocabulary:
    """Words that are single numbers."""
    return Vocabulary(torch.zeros(1), torch.eye(1), torch.tensor(words).float()[:, None])


def some_vocabulary() -> Vocabulary:
    rng = torch.Generator().manual_seed(0)
    mean, projection = torch.randn(5, generator=rng), torch.randn(4, 5, generator=rng)
    return Vocabulary(mean, projection, torch.randn(7, 4, generator=rng))


def some_vectors() -> torch.Tensor:
    return 2 * torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("words", "place", "shares"),
    [
        # Distances 0, 4 and 10, on average 14/3: nearer by 14/3, 2/3 and nothing.
        ((0, 4, 10), 0, (7 / 8, 1 / 8, 0)),
        # Distances 6, 2 and 4, on average 4: nearer by nothing, 2 and nothing.
        ((0, 4, 10), 6, (0, 1, 0)),
        ((0, 4), 1, (1, 0)),
        ((0, 4), -100, (1, 0)),
        ((0, 4), 2, (0, 0)),
    ],
)
def test_shares_are_those_worked_out_by_hand(
    words: tuple[float, ...], place: float, shares: tuple[float, ...]
) -> None:
    found = on_a_line(*words).memberships(torch.full((1, 1, 1), float(place)))
    torch.testing.assert_close(found[:, 0, 0], torch.tensor(shares).float(), atol=1e-6, rtol=0)


def test_the_mean_is_taken_off_and_the_rest_projected() -> None:
    # Of (10 + x, y) less its mean (10, 5), twice the first part is compared: 2x with 0, 4 and 10.
    words = torch.tensor([[0.0], [4.0], [10.0]])
    vocabulary = Vocabulary(torch.tensor([10.0, 5.0]), torch.tensor([[2.0, 0.0]]), words)
    vectors = torch.tensor([[10.0, 13.0], [5.0, -99.0]])[:, None]
    expected = on_a_line(0, 4, 10).memberships(torch.tensor([[[0.0, 6.0]]]))
    torch.testing.assert_close(vocabulary.memberships(vectors), expected, atol=1e-6, rtol=0)


def test_shares_lie_between_0_and_1_and_add_up_to_1() -> None:
    shares = some_vocabulary().memberships(some_vectors())
    assert shares.shape == (7, 6, 8)
    assert float(shares.min()) >= 0
    assert float(shares.max()) <= 1
    torch.testing.assert_close(shares.sum(0), torch.ones(6, 8), atol=1e-5, rtol=0)


def test_where_all_words_are_equally_far_there_are_no_shares() -> None:
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    shares = Vocabulary(torch.zeros(2), torch.eye(2), corners).memberships(torch.zeros(2, 3, 3))
    assert not shares.any()


def test_a_vector_at_a_word_has_its_largest_share_there() -> None:
    words = some_vocabulary().words
    vocabulary = Vocabulary(torch.zeros(4), torch.eye(4), words)
    shares = vocabulary.memberships(words.T[:, None])
    assert shares[:, 0].argmax(0).tolist() == list(range(len(words)))


def test_each_cell_is_compared_by_itself() -> None:
    vectors, vocabulary = some_vectors(), some_vocabulary()
    alone = vocabulary.memberships(vectors[:, 2:3, 5:6])
    together = vocabulary.memberships(vectors)[:, 2:3, 5:6]
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)


def test_comparing_leaves_vectors_and_words_as_they_were() -> None:
    vectors, vocabulary = some_vectors(), some_vocabulary()
    vocabulary.memberships(vectors)
    assert torch.equal(vectors, some_vectors())
    assert torch.equal(vocabulary.words, some_vocabulary().words)


def test_a_vocabulary_follows_the_type_of_a_tensor() -> None:
    moved = some_vocabulary().to(torch.zeros(1, dtype=torch.float64))
    assert moved.memberships(some_vectors().double()).dtype == torch.float64
