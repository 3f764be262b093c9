"""The offline script folds action types as the product does, without a part of the product."""

from hypothesis import example, given
from hypothesis import strategies as st

from common.normalization import folded_label
from scripts.verify_report import folded


@given(st.text())
@example("e\u0301 Stra\u00dfe\u200b")
@example("\ufb01nd\u3000\u0130")
@example("\x00\t a\x1f")
def test_script_folds_an_action_type_as_the_product_does(text: str) -> None:
    assert folded(text) == folded_label(text)
