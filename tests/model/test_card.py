"""The model card."""

from __future__ import annotations

from calcgpt.model.card import model_card


def test_a_card_shows_what_the_run_says() -> None:
    run = {
        "name": "three-digit", "status": "finished", "created": "2025-01-02T03:04:05.678+00:00",
        "results": {"exact_match": 0.123456789, "history": [1, 2], "note": "a|b\nc"},
        "config": {"epochs": 5, "nested": {"x": 1}}, "data": None, "versions": {},
    }  # fmt: skip
    card = model_card(run)
    assert card.startswith("---\n") and "# three-digit" in card
    assert "finished; written 2025-01-02 03:04:05 UTC" in card
    assert "| exact_match | 0.123457 |" in card and "| note | a\\|b c |" in card and "| epochs | 5 |" in card
    assert "history" not in card and "nested" not in card and "Versions" not in card and "Data" not in card


def test_a_run_that_says_nothing_has_a_card() -> None:
    assert "# CalcGPT model" in model_card({})
